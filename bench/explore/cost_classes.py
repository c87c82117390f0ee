# SPDX-License-Identifier: GPL-2.0-only
"""Cost classes: which purpose each kernel function serves, and the cost per class of a tree.

A name in the table may end in ``*``.  A channel can name classes for functions that only its path
meets; see ``classes`` in ``bench/agent/include/channel.h``.  A function in neither is unclassified:
its cost counts with its caller, as if it were inlined, and :func:`unclassified` reports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.explore.call_tree import Node, by_own_cost

OTHER = "other"
"""Class of functions that serve none of the purposes."""
CHANNEL = "channel"
"""Class of functions in the modules of ringcross."""

TITLES: dict[str, str] = {
    "entry": "entry, exit and user half",
    "vfs": "VFS and security",
    "copy": "copying",
    "format": "formatting",
    "memory": "allocation",
    "lock": "locking",
    "schedule": "scheduling and wake-up",
    "network": "network",
    "signal": "signal delivery",
    "input": "input core and evdev",
    CHANNEL: "the channel's own code",
    OTHER: "other",
}
"""Title of each class, in the order in which a crossing meets them."""

TABLE: dict[str, str] = {
    "entry": """
        operation task:* do_syscall_64 x64_sys_call syscall_trace_* syscall_exit_* syscall_enter_*
        exit_to_user_mode_* irqentry_* fpregs_assert_state_consistent switch_fpu_return
        native_tss_update_io_bitmap __rseq_handle_notify_resume mem_cgroup_handle_over_high
        __mem_cgroup_handle_over_high blkcg_maybe_throttle_current __blkcg_maybe_* task_work_run
    """,
    "vfs": """
        __x64_sys_read __x64_sys_write __x64_sys_pread64 __x64_sys_pwrite64 __x64_sys_ioctl
        __x64_sys_open* __x64_sys_close __x64_sys_poll __x64_sys_ppoll __x64_sys_lseek
        __x64_sys_epoll_* ksys_read ksys_write ksys_pread64 ksys_pwrite64
        vfs_* new_sync_* do_iter_* rw_verify_area __fdget* __fget* fdget* fput ____fput __fput*
        filp_* file_*
        do_sys_open* do_filp_open do_dentry_open path_* link_path_walk walk_component
        lookup_* step_into __lookup_* __d_* d_* dput* mntput* mntget __mnt_* legitimize_*
        __legitimize_* try_to_unlazy* terminate_walk complete_walk set_root nd_jump_root may_open
        inode_* __inode_* generic_permission generic_file_* generic_perform_write generic_write_*
        __generic_file_* getname* putname alloc_fd get_unused_fd_flags expand_files fd_install
        close_fd pick_file file_close_fd alloc_empty_file __alloc_file init_file locks_remove_*
        dnotify_flush fsnotify* __fsnotify_* touch_atime atime_needs_update current_time
        inode_needs_update_time do_vfs_ioctl do_sys_poll poll_* __pollwait pollwake
        select_estimate_accuracy
        proc_reg_* proc_misc_* close_pdeo pde_* kernfs_* sysfs_* full_proxy_* debugfs_*
        shmem_* __filemap_* filemap_* folio_* set_page_dirty balance_dirty_* inode_to_bdi
        unlock_page noop_dirty_folio PageHeadHuge __x64_sys_vmsplice pipe_* anon_pipe_* kill_fasync
        read_null write_null read_zero null_lseek ilookup find_inode_fast iput igrab
        seq_open seq_release single_open single_release single_start
        security_* apparmor_* aa_* tomoyo_* bpf_lsm_* selinux_* avc_* ima_* process_measurement
        profile_signal_perm hook_* landlock_* cap_* ns_capable file_ns_capable capable
        __get_task_ioprio file_remove_privs __file_remove_privs setattr_*
        __x64_sys_mq_* do_mq_* msg_insert msg_get proc_sys_*
    """,
    "copy": """
        _copy_* __copy_* copy_* rep_movs* memcpy* __memcpy memmove simple_read_from_buffer
        simple_write_to_buffer memory_read_from_buffer simple_copy_to_iter __check_object_size
        check_stack_object __check_heap_object check_heap_object
        __virt_addr_valid find_vmap_area is_vmalloc_addr skb_copy_* __skb_datagram_iter
        fault_in_* clear_user* rep_stos* load_msg store_msg
    """,
    "format": """
        seq_* vsnprintf vscnprintf snprintf scnprintf sprintf
        sysfs_emit* number format_decode put_dec* string_nocheck kstrto* _kstrto* simple_strto*
        sscanf vsscanf hex2bin bin2hex sysfs_kf_seq_show
        proc_get_long proc_put_long __do_proc_* proc_do* param_set_* param_get_* param_attr_*
        dev_uevent add_uevent_var
    """,
    "memory": """
        kmalloc* __kmalloc* kmem_cache_* __kmem_cache_* kfree* __kfree kvfree* kvmalloc* vmalloc*
        __vmalloc* vfree* __vfree* __vunmap* vunmap_* vmap_* __vmap_* alloc_vmap_area
        __get_vm_area_node insert_vmap_area free_vmap_area_* remove_vm_area alloc_pages*
        __alloc_pages* __get_free_pages free_pages* __free_pages* free_unref_* get_page_from_*
        rmqueue* should_fail* ___slab_alloc __slab_* slab_* memset __memset refill_obj_stock
        obj_cgroup_* memcg_* __memcg_* drain_obj_stock check_new_pages prep_new_page free_pcp_*
        __pte_alloc* policy_node* krealloc* __list_lru_*
        next_uptodate_page do_set_pte set_pte_range unmap_page_range zap_* next_uptodate_folio
    """,
    "lock": """
        _raw_spin_* _raw_read_* _raw_write_* mutex_* __mutex_* down_* up_* __down_* rwsem_*
        __rcu_read_* __srcu_* queued_spin_* native_queued_* call_rcu* rcu_segcblist_* _raw_*
        rt_mutex_* percpu_down_* percpu_up_* lockref_*
    """,
    "schedule": """
        task:idle task:k*
        schedule* __schedule* do_idle default_idle* arch_cpu_idle* amd_e400_idle cpuidle_*
        cpu_idle_* call_cpuidle tick_nohz_* tick_* irq_enter* irq_exit* __irq_exit* handle_softirqs
        __do_softirq do_softirq* __local_bh_* run_ksoftirqd hrtimer_* __hrtimer_*
        __sysvec_* sysvec_* wake_up_* __wake_up* autoremove_wake_function default_wake_function
        try_to_wake_up ttwu_* prepare_to_wait* finish_wait add_wait_queue remove_wait_queue
        init_wait_entry woken_wake_function enqueue_* dequeue_entity dequeue_task* dequeue_entities
        update_rq_clock* update_curr* update_load_avg update_cfs_* update_min_vruntime place_entity
        pick_next_* pick_task* pick_eevdf set_next_* put_prev_* __update_load_avg_*
        check_preempt_* wakeup_preempt* resched_curr* finish_task_switch* switch_mm_* psi_*
        record_times rcu_note_context_switch __cond_resched __switch_to* update_se*
        select_task_rq* avg_vruntime vruntime_eligible hrtick_* cpuacct_* sched_*
        process_one_work worker_thread worker_* __queue_work queue_work_on insert_work
        kthread_* __kthread_* wq_worker_* pwq_* save_fpregs_to_fpstate flush_smp_call_* idle_cpu
        rcu_core* rcu_nocb_* nohz_* timerqueue_* ktime_get* lapic_* clockevents_* enter_lazy_tlb
        task_work_add kick_process
        __x64_sys_futex do_futex futex_* __futex_* get_futex_key internal_get_user_pages_fast
        gup_* try_grab_folio* wake_q_* wq_sleep __x64_sys_sched_yield do_sched_yield yield_task_*
    """,
    "network": """
        __x64_sys_send* __x64_sys_recv* __sys_send* __sys_recv* ___sys_* ____sys_* sock_* __sock_*
        __x64_sys_setsockopt __x64_sys_getsockopt __sys_setsockopt __sys_getsockopt do_sock_*
        udp_* ip_* do_ip_* nf_* lock_sock* release_sock
        sockfd_* netlink_* __netlink_* nlmsg_* __nlmsg_* genl_* genlmsg_* nla_* __nla_* alloc_skb*
        __alloc_skb skb_* __skb_* __build_skb* build_skb consume_skb kfree_skb* sk_* __sk_*
        receiver_wake_function napi_* move_addr_* import_single_range scm_* __scm_*
        unix_* maybe_add_creds rtnl_* rtnetlink_* rtmsg_* inet6_* fib6_* __fib6_* ctrl_*
    """,
    "signal": """
        __x64_sys_rt_sig* __x64_sys_signalfd* do_sigtimedwait sigsuspend get_signal
        arch_do_signal_or_restart handle_signal setup_rt_frame* x64_setup_rt_frame get_sigframe*
        do_send_sig_info send_sig_info send_signal_* __send_signal_* __sigqueue_* sigqueue_*
        prepare_signal complete_signal collect_signal dequeue_signal* recalc_sigpending*
        signal_setup_done __set_task_blocked set_current_blocked __set_current_blocked
        copy_fpstate_to_sigframe fpu__* fpu_* __fpu_* restore_* signalfd_* siginfo_layout
        copy_siginfo_to_user uprobe_deny_signal inc_rlimit_* dec_rlimit_* do_dec_rlimit_*
        put_ucounts get_ucounts xfd_validate_state fpregs_mark_activate signal_*
    """,
    "input": """
        input_* __input_* evdev_* add_input_randomness add_timer_randomness
    """,
    OTHER: """
        __do_sys_getppid __x64_sys_getppid __task_pid_nr_ns task_active_pid_ns pid_vnr pid_task
        find_vpid put_pid* rcu_expedited_* tlbflush_* random_ioctl
    """,
}
"""Function names of each class, separated by white space; the longest match counts."""


def _patterns() -> Iterator[tuple[str, str]]:
    for title, names in TABLE.items():
        for name in names.split():
            yield name, title


_EXACT = {name: title for name, title in _patterns() if not name.endswith("*")}
_PREFIXES = sorted(
    ((name[:-1], title) for name, title in _patterns() if name.endswith("*")),
    key=lambda entry: -len(entry[0]),
)


@dataclass(frozen=True)
class OwnClasses:
    """The classes that a channel names in its registration.

    Attributes:
        titles: title of each class that the table does not have, by its key.
        names: key of the class of each name; a name may end in ``*``.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, channel: Mapping[str, Any]) -> OwnClasses:
        """The classes in the listing of a channel: a list of names for each class.

        A class with the key or the title of one in :data:`TITLES` adds names to that one.
        """
        known = {title: key for key, title in TITLES.items()} | {key: key for key in TITLES}
        titles: dict[str, str] = {}
        names: dict[str, str] = {}
        for title, functions in channel.get("classes", {}).items():
            key = known.get(title) or "own-" + re.sub(r"\W+", "-", title.lower())
            if title not in known:
                titles[key] = title
            names |= dict.fromkeys(functions, key)
        return cls(titles, names)

    def find(self, name: str) -> str:
        """The class of a function; empty if the channel names none for it."""
        prefixes = [key for key in self.names if key.endswith("*") and name.startswith(key[:-1])]
        longest = max(prefixes, key=len, default="")
        return self.names.get(name, "") or self.names.get(longest, "")


NO_OWN = OwnClasses()
"""For a channel that names no classes."""


def own_class(node: Node, own: OwnClasses = NO_OWN) -> str:
    """The class of a node by its name or module; empty if it is unclassified."""
    if node.module.startswith("ringcross_"):
        return CHANNEL
    # GCC adds suffixes to copies of a function: link_path_walk.part.0.constprop.0
    name = re.sub(r"\..*$", "", node.name)
    if title := own.find(name) or _EXACT.get(name, ""):
        return title
    return next((title for prefix, title in _PREFIXES if name.startswith(prefix)), "")


def unclassified(root: Node, own: OwnClasses = NO_OWN) -> list[Node]:
    """The functions without a class, each once with the sum of its own cost; the largest first."""
    return [node for node in by_own_cost(root) if not own_class(node, own) and node.own > 0]


def nodes_with_class(root: Node, own: OwnClasses = NO_OWN) -> Iterator[tuple[Node, str]]:
    """Each node of a tree, callers first, with its own class or else its caller's."""

    def visit(node: Node, caller: str) -> Iterator[tuple[Node, str]]:
        title = own_class(node, own) or caller
        yield node, title
        for child in node.children:
            yield from visit(child, title)

    return visit(root, OTHER)


def sums(root: Node, own: OwnClasses = NO_OWN) -> dict[str, float]:
    """Units of a tree per class, in the order of :data:`TITLES`, without empty classes."""
    totals = dict.fromkeys((*TITLES, *own.titles), 0.0)
    for node, title in nodes_with_class(root, own):
        totals[title] += node.own
    return {title: units for title, units in totals.items() if units}
