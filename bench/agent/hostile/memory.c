// SPDX-License-Identifier: GPL-2.0-only
/* Invalid addresses and invalid messages. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "hostile.h"

#define PAGE	     4096u
#define TURNS_FACTOR 20 /* most turns, as a multiple of the requested ones */
#define INSIDE	     4	/* bytes before the edge; shorter than any argument */

/* A low address, so that the largest lengths do not pass the end of user space, and so that no
 * later mapping fills the gap behind the edge.
 */
#define LOW ((unsigned char *)(1ull << 32))

static unsigned char *pages(void *where, size_t count, int protection)
{
	void *at = mmap(where, count * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
			-1, 0);

	return at == MAP_FAILED ? NULL : at;
}

bool rcx_hostile_memory(struct rcx_hostile *h)
{
	unsigned char *two = pages(LOW - 16 * PAGE, 2, PROT_READ | PROT_WRITE);

	h->message = (struct rcx_msg *)pages(LOW, RCX_BODY_MAX / PAGE + 2, PROT_READ | PROT_WRITE);
	h->readonly = pages(NULL, 1, PROT_READ);
	h->forbidden = pages(NULL, 1, PROT_NONE);
	if (!two || !h->message || !h->readonly || !h->forbidden || munmap(two + PAGE, PAGE))
		return false;
	h->edge = two + PAGE;
	return true;
}

/* ---- addresses --------------------------------------------------------- */

void rcx_try_addresses(struct rcx_hostile *h, const char *name, enum rcx_access access,
		       long (*try)(void *arg, void *at), void *arg)
{
	const struct {
		const char *name;
		void *at;
		bool readable;
	} addresses[] = {
		{ "NULL", NULL, false },
		{ "unmapped memory", h->edge, false },
		{ "the edge of a mapping", h->edge - INSIDE, false },
		{ "memory without access", h->forbidden, false },
		{ "read-only memory", h->readonly, true },
		{ "the end of user space", (void *)0x7ffffffff000, false },
		{ "a non-canonical address", (void *)0x800000000000, false },
		{ "kernel memory", (void *)0xffff888000001000, false },
		{ "kernel code", (void *)0xffffffff81000000, false },
		{ "the last address", (void *)UINTPTR_MAX, false },
	};
	char full[96];

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		if (addresses[i].readable && access == RCX_KERNEL_READS)
			continue;
		snprintf(full, sizeof(full), "%s, %s", name, addresses[i].name);
		rcx_expect(h, full, try(arg, addresses[i].at), EFAULT);
	}
}

/* ---- a page that is provided late --------------------------------------- */

void *rcx_late_page(struct rcx_hostile *h, struct rcx_late_page *late)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register missing = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	late->handler = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	late->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	missing.range = (struct uffdio_range){ (uintptr_t)late->page, PAGE };
	if (late->page == MAP_FAILED || ioctl(late->handler, UFFDIO_API, &api) ||
	    ioctl(late->handler, UFFDIO_REGISTER, &missing))
		late->page = NULL;
	rcx_expect_true(h, "register a page with userfaultfd", late->page);
	return late->page;
}

void rcx_late_page_provide(struct rcx_hostile *h, struct rcx_late_page *late)
{
	struct uffdio_zeropage zeros = { .range = { (uintptr_t)late->page, PAGE } };

	rcx_expect(h, "provide the page", ioctl(late->handler, UFFDIO_ZEROPAGE, &zeros), 0);
}

/* ---- messages ---------------------------------------------------------- */

struct rcx_msg *rcx_good_message(struct rcx_hostile *h, uint32_t size, uint64_t seq)
{
	struct rcx_msg *msg = h->message;

	*msg = (struct rcx_msg){ .size = size, .magic = RCX_MAGIC, .seq = seq };
	rcx_body_fill(msg->body, size, seq);
	return msg;
}

bool rcx_is_whole(const struct rcx_msg *msg, uint32_t size, bool validate)
{
	return msg->magic == RCX_MAGIC && msg->size == size &&
	       (!validate || rcx_body_check(msg->body, size, msg->seq, 0) == size);
}

bool rcx_is_reply(const struct rcx_msg *msg, uint32_t size, uint64_t seq, bool validate)
{
	return msg->seq == ~seq &&
	       rcx_body_check(msg->body, size, seq, validate ? 0xff : 0) == size;
}

static long send_message(struct rcx_hostile *h, struct rcx_sender *sender, size_t len)
{
	return sender->send(sender->arg, h->message, len);
}

/* Send a valid message, so that refusals around it have no other reason. */
static void try_good(struct rcx_hostile *h, struct rcx_sender *sender, uint32_t size,
		     const char *name)
{
	rcx_good_message(h, size, sender->seq);
	if (rcx_expect(h, name, send_message(h, sender, RCX_HEADER + size), 0))
		sender->seq++;
}

/* Send @len bytes of a message whose header states a body of @claim bytes. */
static void try_length(struct rcx_hostile *h, struct rcx_sender *sender, const char *name,
		       uint32_t claim, size_t len, int want)
{
	rcx_good_message(h, 64, sender->seq)->size = claim;
	rcx_expect(h, name, send_message(h, sender, len), want);
}

static void try_lengths(struct rcx_hostile *h, struct rcx_sender *sender)
{
	try_length(h, sender, "no bytes", 0, 0, sender->nothing);
	try_length(h, sender, "one byte", 0, 1, sender->too_short);
	try_length(h, sender, "a byte less than a header", 0, RCX_HEADER - 1, sender->too_short);
	try_length(h, sender, "a size that wraps to its length", 8 - RCX_HEADER, 8,
		   sender->too_short);
	try_length(h, sender, "a header that promises a body", 64, RCX_HEADER, EBADMSG);
	try_length(h, sender, "a byte less than promised", 64, RCX_HEADER + 63, EBADMSG);
	try_length(h, sender, "a byte more than promised", 64, RCX_HEADER + 65, EBADMSG);
	try_length(h, sender, "a promise of 2 GiB", INT32_MAX, RCX_HEADER + 64, EBADMSG);
	try_length(h, sender, "a promise of 4 GiB", UINT32_MAX, RCX_HEADER + 64, EBADMSG);
	rcx_good_message(h, sender->body_max + 1, sender->seq);
	rcx_expect(h, "a byte too long", send_message(h, sender, RCX_HEADER + sender->body_max + 1),
		   sender->too_long);
}

static void try_numbers(struct rcx_hostile *h, struct rcx_sender *sender)
{
	static const struct {
		const char *name;
		uint64_t ahead;
	} numbers[] = {
		{ "the last number again", UINT64_MAX },
		{ "a number left out", 1 },
		{ "a number far away", 1ull << 63 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		rcx_good_message(h, 64, sender->seq + numbers[i].ahead);
		rcx_expect(h, numbers[i].name, send_message(h, sender, RCX_HEADER + 64), EBADMSG);
	}
}

static void try_magic(struct rcx_hostile *h, struct rcx_sender *sender)
{
	static const uint32_t magics[] = { 0, RCX_MAGIC + 1, 0x534d4352, UINT32_MAX };
	struct rcx_outcomes outcomes = { 0 };

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		rcx_good_message(h, 64, sender->seq)->magic = magics[i];
		rcx_note(&outcomes, send_message(h, sender, RCX_HEADER + 64), EBADMSG);
	}
	rcx_expect_outcomes(h, "wrong magic", &outcomes);
	rcx_expect_value(h, "wrong magic refused", (long)outcomes.refused, 4);
}

/* Bodies are checked only in the validation pass. */
static void try_body(struct rcx_hostile *h, struct rcx_sender *sender, bool validate)
{
	rcx_good_message(h, 61, sender->seq)->body[60] ^= 1;
	if (rcx_expect(h, "a wrong last byte", send_message(h, sender, RCX_HEADER + 61),
		       validate ? EBADMSG : 0) &&
	    !validate)
		sender->seq++;
}

void rcx_try_messages(struct rcx_hostile *h, struct rcx_sender *sender, bool validate)
{
	uint64_t first = sender->seq;
	struct rcx_counts before = rcx_core_counts(h), after;

	try_good(h, sender, 0, "a header alone");
	try_good(h, sender, 64, "a body of 64 bytes");
	try_good(h, sender, sender->body_max, "the largest body");
	try_lengths(h, sender);
	try_magic(h, sender);
	try_numbers(h, sender);
	try_body(h, sender, validate);
	try_good(h, sender, 64, "a good one after all these");

	after = rcx_core_counts(h);
	rcx_expect_value(h, "messages the kernel consumed",
			 (long)(after.consumed - before.consumed), (long)(sender->seq - first));
}

void rcx_try_request(struct rcx_hostile *h, struct rcx_sender *sender, const struct rcx_msg *reply,
		     bool validate)
{
	rcx_good_message(h, 64, sender->seq);
	rcx_expect(h, "a request", send_message(h, sender, RCX_HEADER + 64), 0);
	rcx_expect_true(h, "its reply", rcx_is_reply(reply, 64, sender->seq, validate));
}

/* When all messages or none are refused, the race has not been tested. */
static bool one_sided(const struct rcx_outcomes *outcomes)
{
	return !outcomes->fine || !outcomes->refused;
}

void rcx_try_overwritten(struct rcx_hostile *h, struct rcx_sender *sender, uint32_t size,
			 uint32_t turns)
{
	struct rcx_counts before = rcx_core_counts(h), after;
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_overwriter overwriter;

	rcx_overwrite(h, &overwriter, h->message, RCX_HEADER / 4);
	for (uint32_t i = 0; i < turns || (i < TURNS_FACTOR * turns && one_sided(&outcomes)); i++) {
		long result;

		rcx_good_message(h, size, sender->seq);
		usleep(1); /* let the other thread run */
		result = send_message(h, sender, RCX_HEADER + size);
		rcx_note(&outcomes, result, EBADMSG);
		sender->seq += result >= 0;
	}
	rcx_overwrite_end(&overwriter);
	after = rcx_core_counts(h);
	rcx_expect_outcomes(h, "headers overwritten during the send", &outcomes);
	rcx_expect_true(h, "some of them accepted, some refused", !one_sided(&outcomes));
	rcx_expect_value(h, "accepted ones that the kernel consumed",
			 (long)(after.consumed - before.consumed), (long)outcomes.fine);
}
