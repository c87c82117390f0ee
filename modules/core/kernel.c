// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: ringcross_core
 *
 * Code that all kernel halves share, and the control device that arranges a measurement.
 *
 * One process at a time opens /dev/ringcross/core and binds it to the kernel half that is
 * to be measured.  It may then request events: after a delay, from a kernel thread, a
 * softirq or a hardirq timer, on a CPU that it may choose.  Just before each event the core
 * stores the clock in a page that the process maps.  The process reads the timestamp there, so that the latency of
 * an event can be measured even if the channel cannot carry a timestamp.
 *
 * Or it may request to be asked: a kernel thread hands a request to the channel and waits for
 * the reply, as often as requested.  The core stores the clock before the request and after
 * the reply.  Between a reply and the next request it pauses, so that the user half waits
 * again when it is asked.
 *
 * A bind holds a reference to the module of the kernel half, so the module cannot be
 * unloaded while a producer may call it.  core_lock protects the list of channels and
 * the binding.  The producer runs between RCX_CORE_EMIT or RCX_CORE_ASK and the end of its count;
 * RCX_CORE_STOP, RCX_CORE_UNBIND, release, and a new bind or emission stop it and wait
 * for it.
 */
#include <linux/capability.h>
#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include "rcx_core.h"
#include "rcx_upcall.h"
#include "rcx_table.h"

DEFINE_PER_CPU(struct rcx_tally, rcx_tally);
EXPORT_PER_CPU_SYMBOL_GPL(rcx_tally);

struct rcx_binding rcx_binding;
EXPORT_SYMBOL_GPL(rcx_binding);

static DEFINE_MUTEX(core_lock);
static LIST_HEAD(channels);
static struct rcx_channel *bound;
static unsigned long core_open;

/*
 * The only producer of events.  The file operations, under core_lock, write its members
 * only while it does not run, except @stopping.  While it runs, the producer itself writes
 * @left, @seq, @refused, @refused_errno, @busy and @timed, and the timer writes @timer_cpu,
 * on which it expired, and @due: the clock when the burst was due, or 0 without an interval.
 * @watchdog runs while the producer waits for a reply.
 */
static struct {
	const struct rcx_emitter *emitter;
	struct rcx_emission spec;
	u64 deadline; /* ns to wait for a reply; 0 when the producer emits events */
	u64 left;
	u64 seq;
	u64 due;
	u64 refused;
	u64 busy;
	u64 timed;
	int refused_errno;
	bool stopping;
	bool nobody;  /* the channel gets no event: what the producer itself costs */
	bool expired; /* the deadline of a reply is over */
	bool placed;  /* the thread was bound to one CPU */
	u32 timer_cpu;
	struct rcx_page *page;
	struct kthread_worker *worker;
	struct kthread_work work;
	struct hrtimer timer;
	struct hrtimer watchdog;
	wait_queue_head_t ended;
} producer = {
	.ended = __WAIT_QUEUE_HEAD_INITIALIZER(producer.ended),
};

/* ---- messages ---------------------------------------------------------- */

/*
 * The length of a body comes from the owner of the buffer and is never read from the
 * message, so a header that was changed in between cannot lead out of the buffer.
 */

int rcx_consume_slow(struct rcx_sequence *sequence, const struct rcx_msg *msg, size_t len)
{
	if (len < RCX_HEADER || msg->magic != RCX_MAGIC || len - RCX_HEADER != msg->size ||
	    msg->seq != sequence->in ||
	    rcx_body_check(msg->body, len - RCX_HEADER, sequence->in, 0) != len - RCX_HEADER) {
		this_cpu_inc(rcx_tally.bad);
		return -EBADMSG;
	}
	sequence->in++;
	this_cpu_inc(rcx_tally.consumed);
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_consume_slow);

void rcx_make_slow(struct rcx_msg *msg, u32 size)
{
	rcx_body_fill(msg->body, size, msg->seq);
}
EXPORT_SYMBOL_GPL(rcx_make_slow);

void rcx_reply_slow(struct rcx_msg *msg, u32 size)
{
	u32 at;

	for (at = 0; at < size; at++)
		msg->body[at] ^= 0xff;
}
EXPORT_SYMBOL_GPL(rcx_reply_slow);

/* ---- registration ------------------------------------------------------ */

int rcx_channel_register(struct rcx_channel *channel)
{
	mutex_lock(&core_lock);
	list_add_tail(&channel->list, &channels);
	mutex_unlock(&core_lock);
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_channel_register);

void rcx_channel_unregister(struct rcx_channel *channel)
{
	mutex_lock(&core_lock);
	list_del(&channel->list);
	mutex_unlock(&core_lock);
}
EXPORT_SYMBOL_GPL(rcx_channel_unregister);

/* ---- the producer ------------------------------------------------------ */

static enum hrtimer_mode producer_mode(void)
{
	bool soft = producer.spec.context == RCX_SOFTIRQ;

	if (producer.spec.cpu)
		return soft ? HRTIMER_MODE_REL_PINNED_SOFT : HRTIMER_MODE_REL_PINNED_HARD;
	return soft ? HRTIMER_MODE_REL_SOFT : HRTIMER_MODE_REL_HARD;
}

/* How often the current task has given up its CPU, or lost it. */
static unsigned long switches(void)
{
	return current->nvcsw + current->nivcsw;
}

/* The time of a burst counts as the producer's unless another task ran in it. */
static void count_burst(u32 events, u64 begin, unsigned long before)
{
	u64 end = rcx_now();

	if (switches() != before)
		return;
	WRITE_ONCE(producer.busy, producer.busy + end - begin);
	WRITE_ONCE(producer.timed, producer.timed + events);
}

/* These take the place of the channel's hooks, to show what the producer itself costs. */
static int emit_to_nobody(const struct rcx_event *event)
{
	return 0;
}

static int burst_to_nobody(const struct rcx_burst *burst)
{
	return burst->count;
}

static void count_refused(u64 count, int err)
{
	producer.refused += count;
	producer.refused_errno = -err;
}

/*
 * One call for all events of the burst, so all of them have one timestamp, @begin.  Returns
 * their number.
 */
static u32 produce_at_once(u64 *begin)
{
	int (*emit)(const struct rcx_burst *burst) = producer.nobody ? burst_to_nobody :
								       producer.emitter->emit_burst;
	u64 due = READ_ONCE(producer.due), seq = producer.seq, *at = producer.page->timestamps;
	struct rcx_burst burst = {
		.seq = seq,
		.timestamp = rcx_now(),
		.count = min_t(u64, producer.spec.burst, producer.left),
		.size = rcx_binding.size + producer.spec.more,
	};
	int taken;

	if (!burst.count)
		return 0;
	*begin = burst.timestamp;
	producer.seq += burst.count;
	for (due = due ?: burst.timestamp; seq != producer.seq; seq++)
		WRITE_ONCE(at[seq % RCX_TIMESTAMPS], due);
	taken = emit(&burst);
	if (taken < (int)burst.count)
		count_refused(burst.count - max(taken, 0), taken < 0 ? taken : -EAGAIN);
	WRITE_ONCE(producer.page->emitted, seq);
	producer.left -= burst.count;
	return burst.count;
}

/* A call for each event of the burst.  The same. */
static u32 produce_singly(u64 *begin)
{
	int (*emit)(const struct rcx_event *event) = producer.nobody ? emit_to_nobody :
								       producer.emitter->emit;
	u64 due = READ_ONCE(producer.due);
	u32 i;

	for (i = 0; i < producer.spec.burst && producer.left; i++) {
		struct rcx_event event = {
			.seq = producer.seq++,
			.size = rcx_binding.size + producer.spec.more,
			.last = !--producer.left,
		};
		int err;

		event.timestamp = rcx_now();
		if (!i)
			*begin = event.timestamp;
		WRITE_ONCE(producer.page->timestamps[event.seq % RCX_TIMESTAMPS],
			   due ?: event.timestamp);
		err = emit(&event);
		if (err)
			count_refused(1, err);
		WRITE_ONCE(producer.page->emitted, producer.seq);
	}
	return i;
}

static void produce_burst(void)
{
	/* An event alone is a notify, whose cost must not contain the reading of the clock. */
	bool timed = producer.spec.count > 1;
	unsigned long before = timed ? switches() : 0;
	u64 begin = 0;
	u32 events = producer.emitter->emit_burst ? produce_at_once(&begin) :
						    produce_singly(&begin);

	if (timed && events)
		count_burst(events, begin, before);
	if (!producer.left)
		smp_store_release(&producer.page->done, 1);
}

/*
 * Why the producer shall no longer wait for a reply: a negative errno, or 0.  A wake-up of its
 * thread makes the wait read it again, see rcx_upcall_wait().
 */
int rcx_ask_over(void)
{
	if (READ_ONCE(producer.stopping))
		return -EINTR;
	return READ_ONCE(producer.expired) ? -ETIMEDOUT : 0;
}
EXPORT_SYMBOL_GPL(rcx_ask_over);

/* Make a wait for a reply, if there is one, read rcx_ask_over() again. */
static void give_up(void)
{
	if (producer.emitter->give_up)
		producer.emitter->give_up();
	wake_up_process(producer.worker->task);
}

static enum hrtimer_restart ask_too_long(struct hrtimer *timer)
{
	WRITE_ONCE(producer.expired, true);
	give_up();
	return HRTIMER_NORESTART;
}

/* The watchdog is armed outside what is timed, so the deadline adds nothing to the cost. */
static int ask_once(struct rcx_event *request)
{
	u64 at = request->seq % RCX_TIMESTAMPS;
	int err;

	WRITE_ONCE(producer.expired, false);
	hrtimer_start(&producer.watchdog, ns_to_ktime(producer.deadline), HRTIMER_MODE_REL_SOFT);
	request->timestamp = rcx_now();
	WRITE_ONCE(producer.page->timestamps[at], request->timestamp);
	err = producer.emitter->ask(request);
	WRITE_ONCE(producer.page->answered[at], rcx_now());
	hrtimer_cancel(&producer.watchdog);
	return err;
}

static void producer_done(void)
{
	smp_store_release(&producer.page->done, 1);
	wake_up_interruptible(&producer.ended);
}

static void ask_in_thread(void)
{
	struct rcx_event request = {
		.seq = producer.seq++,
		.size = rcx_binding.size,
		.last = !--producer.left,
	};
	int err = ask_once(&request);

	if (err) {
		count_refused(1, err);
		producer.left = 0;
	}
	WRITE_ONCE(producer.page->emitted, producer.seq);
	if (!producer.left)
		producer_done();
	else if (!READ_ONCE(producer.stopping))
		hrtimer_start(&producer.timer, ns_to_ktime(producer.spec.delay), producer_mode());
}

static void produce_in_thread(struct kthread_work *work)
{
	if (producer.deadline) {
		ask_in_thread();
		return;
	}
	do {
		produce_burst();
		cond_resched();
	} while (producer.left && !producer.spec.interval && !READ_ONCE(producer.stopping));
}

/*
 * With an interval, an event is due when its timer expires, however late the handler
 * runs.  A latency counted from there includes the delays that an overload causes.
 * Without an interval there is no due time.
 */
static u64 producer_due(const struct hrtimer *timer)
{
	if (!producer.spec.interval)
		return 0;
	return rcx_now() - ktime_to_ns(ktime_sub(ktime_get(), hrtimer_get_expires(timer)));
}

static enum hrtimer_restart produce_on_timer(struct hrtimer *timer)
{
	bool again;

	if (READ_ONCE(producer.stopping))
		return HRTIMER_NORESTART;
	WRITE_ONCE(producer.timer_cpu, raw_smp_processor_id());
	WRITE_ONCE(producer.due, producer_due(timer));
	if (producer.spec.context == RCX_PROCESS) {
		/*
		 * This does nothing if the work is still queued from an earlier
		 * tick: the thread is late, and emits one burst for both ticks.
		 * Only the thread writes producer.left, so a stale value costs
		 * one idle tick.
		 */
		kthread_queue_work(producer.worker, &producer.work);
		again = READ_ONCE(producer.left) && producer.spec.interval;
	} else {
		produce_burst();
		again = producer.left;
	}
	if (!again)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(producer.spec.interval));
	return HRTIMER_RESTART;
}

static void producer_stop(void)
{
	WRITE_ONCE(producer.stopping, true);
	hrtimer_cancel(&producer.timer);
	if (producer.deadline)
		give_up();
	kthread_cancel_work_sync(&producer.work);
	/* Between two requests the work itself starts the timer, perhaps after the line above. */
	hrtimer_cancel(&producer.timer);
	WRITE_ONCE(producer.stopping, false);
	/* Also after an early stop: the reader of a stream waits for this flag. */
	producer_done();
}

static void prepare_timer(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *),
			  enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = function;
#endif
}

static void producer_prepare(enum hrtimer_mode mode)
{
	prepare_timer(&producer.timer, produce_on_timer, mode);
}

/* A pinned timer expires on the CPU that starts it. */
static void producer_start(void *unused)
{
	hrtimer_start(&producer.timer, ns_to_ktime(producer.spec.delay), producer_mode());
}

/* Bind the thread to the CPU of the emission, or end an earlier binding. */
static int producer_bind_thread(u32 cpu)
{
	int err;

	if (!cpu && !producer.placed)
		return 0;
	err = set_cpus_allowed_ptr(producer.worker->task,
				   cpu ? cpumask_of(cpu - 1) : cpu_possible_mask);
	if (!err)
		producer.placed = cpu;
	return err;
}

/*
 * Start @producer.spec on its CPU.  The caller holds off CPU hotplug.  If the CPU goes
 * offline later, the kernel moves thread and timer to another one.
 */
static int producer_start_on(u32 cpu)
{
	int err = producer_bind_thread(cpu); /* -EINVAL when it is offline now */

	if (err)
		return err;
	if (cpu)
		return smp_call_function_single(cpu - 1, producer_start, NULL, true);
	producer_start(NULL);
	return 0;
}

/* Where the last event came from. */
static u32 producer_cpu(void)
{
	if (producer.spec.context == RCX_PROCESS)
		return task_cpu(producer.worker->task);
	return READ_ONCE(producer.timer_cpu);
}

/* ---- the control device ------------------------------------------------ */

static void core_drop_binding(void)
{
	lockdep_assert_held(&core_lock);
	if (!bound)
		return;
	producer_stop();
	producer.deadline = 0;
	producer.emitter = NULL;
	module_put(bound->owner);
	bound = NULL;
}

static void core_unbind(void)
{
	core_drop_binding();
	WRITE_ONCE(rcx_binding.validate, false);
	WRITE_ONCE(rcx_binding.records, 0);
}

static struct rcx_channel *find_channel(const char *name)
{
	struct rcx_channel *channel;

	list_for_each_entry(channel, &channels, list)
		if (!strcmp(channel->name, name))
			return channel;
	return NULL;
}

static const struct rcx_emitter *find_emitter(const struct rcx_channel *channel, const char *mode)
{
	const struct rcx_emitter *emitter;

	for (emitter = channel->emitters; emitter && emitter->mode; emitter++)
		if (!strcmp(emitter->mode, mode))
			return emitter;
	return NULL;
}

/* The contexts that this kernel allows the emitter, in the format of struct rcx_bind. */
static u32 emitter_contexts(const struct rcx_emitter *emitter)
{
	u32 contexts = emitter ? emitter->contexts : 0;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) && contexts & RCX_IN(RCX_HARDIRQ) &&
	    !(contexts & RCX_IN_RT_HARDIRQ))
		contexts ^= RCX_IN(RCX_HARDIRQ) | RCX_BARRED_BY_RT;
	return contexts & ~RCX_IN_RT_HARDIRQ;
}

static void core_clear_counts(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&rcx_tally, cpu), 0, sizeof(struct rcx_tally));
	producer.seq = 0;
	producer.left = 0;
	producer.refused = 0;
	producer.busy = 0;
	producer.timed = 0;
	producer.refused_errno = 0;
	producer.page->emitted = 0;
	producer.page->done = 1;
}

/* A failed bind leaves the previous binding unchanged, except if its reset was killed. */
static long core_bind(struct rcx_bind __user *arg)
{
	const struct rcx_emitter *emitter;
	struct rcx_bind bind;
	struct rcx_channel *channel;
	int err;

	if (copy_from_user(&bind, arg, sizeof(bind)))
		return -EFAULT;
	if (strnlen(bind.channel, RCX_NAME) == RCX_NAME ||
	    strnlen(bind.mode, RCX_NAME) == RCX_NAME || bind.size > RCX_BODY_MAX ||
	    bind.validate > 1 || bind.clock > RCX_CLOCK_INSTRUCTIONS || bind.contexts ||
	    bind.records > RCX_RECORDS_MAX)
		return -EINVAL;

	channel = find_channel(bind.channel);
	if (!channel)
		return -ENOENT;
	emitter = find_emitter(channel, bind.mode);
	bind.contexts = emitter_contexts(emitter);
	err = bind.records ? rcx_table_fill() : 0;
	if (err)
		return err;
	if (copy_to_user(arg, &bind, sizeof(bind)))
		return -EFAULT;
	if (!try_module_get(channel->owner))
		return -ENODEV;

	/* Not core_unbind(): between two validations no message may have an unfilled body. */
	core_drop_binding();
	bound = channel;
	producer.emitter = emitter;
	core_clear_counts();
	WRITE_ONCE(rcx_binding.size, bind.size);
	WRITE_ONCE(rcx_binding.validate, bind.validate);
	WRITE_ONCE(rcx_binding.cycles, bind.clock == RCX_CLOCK_INSTRUCTIONS);
	smp_store_release(&rcx_binding.records, bind.records); /* after the table was filled */
	err = channel->reset ? channel->reset() : 0;
	if (err)
		core_unbind();
	return err;
}

static bool is_online(u32 cpu)
{
	return cpu < nr_cpu_ids && cpu_online(cpu);
}

/*
 * Start @spec.  With a @deadline in ns for each reply, the producer asks; with 0, it emits, or with
 * @nobody does all of that but call the channel.
 */
static int producer_begin(const struct rcx_emission *spec, u64 deadline, bool nobody)
{
	int err;

	/* Not under the lock of CPU hotplug, which the emitter of a channel may take, too. */
	producer_stop();
	producer.spec = *spec;
	producer.nobody = nobody;
	producer.deadline = deadline;
	producer.left = spec->count;
	producer.page->done = 0;
	producer_prepare(producer_mode());
	cpus_read_lock();
	err = producer_start_on(spec->cpu);
	cpus_read_unlock();
	if (err)
		producer_stop();
	return err;
}

static long core_emit(const struct rcx_emission __user *arg)
{
	struct rcx_emission spec;
	bool nobody;

	if (copy_from_user(&spec, arg, sizeof(spec)))
		return -EFAULT;
	nobody = spec.context & RCX_TO_NOBODY;
	spec.context &= ~RCX_TO_NOBODY;
	/* A burst cannot be stopped, so it must be short. */
	if (spec.context >= RCX_CONTEXTS || !spec.burst || spec.burst > RCX_BURST_MAX ||
	    !spec.count || spec.delay > NSEC_PER_SEC || spec.interval > NSEC_PER_SEC ||
	    spec.more > RCX_BODY_MAX - rcx_binding.size || (spec.cpu && !is_online(spec.cpu - 1)))
		return -EINVAL;
	/* A timer needs an interval for more than one burst. */
	if (spec.context != RCX_PROCESS && spec.count > spec.burst && !spec.interval)
		return -EINVAL;
	if (!bound)
		return -ENOLINK;
	/* Also what nobody gets is emitted in the way of a mode that emits. */
	if (!producer.emitter ||
	    (!nobody && !(emitter_contexts(producer.emitter) & RCX_IN(spec.context))))
		return -EOPNOTSUPP;
	return producer_begin(&spec, 0, nobody);
}

static long core_ask(const struct rcx_asking __user *arg)
{
	struct rcx_emission spec = { .context = RCX_PROCESS, .burst = 1 };
	struct rcx_asking asking;

	if (copy_from_user(&asking, arg, sizeof(asking)))
		return -EFAULT;
	if (!asking.count || asking.delay > NSEC_PER_SEC || !asking.deadline ||
	    asking.deadline > 10ull * NSEC_PER_SEC || asking.pad ||
	    (asking.cpu && !is_online(asking.cpu - 1)))
		return -EINVAL;
	if (!bound)
		return -ENOLINK;
	if (!producer.emitter || !producer.emitter->ask)
		return -EOPNOTSUPP;
	spec.count = asking.count;
	spec.delay = asking.delay;
	spec.cpu = asking.cpu;
	return producer_begin(&spec, asking.deadline, false);
}

static long core_counts(struct rcx_counts __user *arg)
{
	struct rcx_counts counts = {
		.emitted = READ_ONCE(producer.seq),
		.refused = READ_ONCE(producer.refused),
		.refused_errno = READ_ONCE(producer.refused_errno),
		.cpu = producer_cpu(),
		.busy = READ_ONCE(producer.busy),
		.timed = READ_ONCE(producer.timed),
	};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct rcx_tally *tally = per_cpu_ptr(&rcx_tally, cpu);

		counts.consumed += READ_ONCE(tally->consumed);
		counts.made += READ_ONCE(tally->made);
		counts.bad += READ_ONCE(tally->bad);
	}
	return copy_to_user(arg, &counts, sizeof(counts)) ? -EFAULT : 0;
}

/* Not under the lock, so that another thread can stop the producer. */
static long core_wait(void)
{
	if (!READ_ONCE(producer.deadline) && !READ_ONCE(producer.page->done))
		return -EINVAL; /* only the end of asking wakes */
	return wait_event_interruptible(producer.ended, READ_ONCE(producer.page->done));
}

static long core_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	long ret = 0;

	if (cmd == RCX_CORE_WAIT)
		return core_wait();
	if (mutex_lock_interruptible(&core_lock))
		return -ERESTARTSYS;
	switch (cmd) {
	case RCX_CORE_BIND:
		ret = core_bind(user);
		break;
	case RCX_CORE_UNBIND:
		core_unbind();
		break;
	case RCX_CORE_EMIT:
		ret = core_emit(user);
		break;
	case RCX_CORE_ASK:
		ret = core_ask(user);
		break;
	case RCX_CORE_STOP:
		producer_stop();
		break;
	case RCX_CORE_COUNTS:
		ret = core_counts(user);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&core_lock);
	return ret;
}

static int core_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EACCES;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_clear(vma, VM_MAYWRITE);
#else
	vma->vm_flags &= ~VM_MAYWRITE;
#endif
	return remap_vmalloc_range(vma, producer.page, vma->vm_pgoff);
}

/* One open at a time, because two measurements would disturb each other. */
static int core_open_once(struct inode *inode, struct file *file)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (test_and_set_bit(0, &core_open))
		return -EBUSY;
	return nonseekable_open(inode, file);
}

static int core_release(struct inode *inode, struct file *file)
{
	mutex_lock(&core_lock);
	core_unbind();
	mutex_unlock(&core_lock);
	clear_bit(0, &core_open);
	return 0;
}

static const struct file_operations core_fops = {
	.owner = THIS_MODULE,
	.open = core_open_once,
	.release = core_release,
	.unlocked_ioctl = core_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = core_mmap,
};

static struct miscdevice core_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_core",
	.nodename = "ringcross/core",
	.fops = &core_fops,
	.mode = 0600,
};

static int __init core_init(void)
{
	int err;

	producer.page = vmalloc_user(sizeof(*producer.page));
	if (!producer.page)
		return -ENOMEM;
	producer.page->done = 1;
	producer_prepare(HRTIMER_MODE_REL_HARD);
	prepare_timer(&producer.watchdog, ask_too_long, HRTIMER_MODE_REL_SOFT);
	kthread_init_work(&producer.work, produce_in_thread);
	producer.worker = kthread_create_worker(0, "rcx_producer");
	if (IS_ERR(producer.worker)) {
		err = PTR_ERR(producer.worker);
		goto err_page;
	}
	/* Lowest priority: on one CPU, it runs only when the reader has nothing to do. */
	sched_set_normal(producer.worker->task, MAX_NICE);

	err = misc_register(&core_device);
	if (err)
		goto err_worker;
	return 0;

err_worker:
	kthread_destroy_worker(producer.worker);
err_page:
	vfree(producer.page);
	return err;
}

static void __exit core_exit(void)
{
	misc_deregister(&core_device);
	kthread_destroy_worker(producer.worker);
	vfree(producer.page);
	rcx_table_free();
}

module_init(core_init);
module_exit(core_exit);
MODULE_DESCRIPTION("ringcross: control device, messages and event producer");
MODULE_LICENSE("GPL");
