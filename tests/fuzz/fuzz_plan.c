/*
 * Any bytes as a plan. What plan_open() lets through is read to the last byte, under
 * the sanitizers, and encoding it again must give what came in: the form is canonical.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#ifndef REPLAY
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Mostly keeps the words that everything hangs on right, to get past them. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	static const char *const argv[] = {"a", "bc", "", NULL}, *const envp[] = {"X=1", NULL};
	static const uint32_t groups[] = {1, 2, 3, 4};
	static const struct plan_limit limits[] = {{0, 0, 1, 2}, {7, 0, 3, 4}, {15, 0, 5, 6}};
	struct plan p = {.path = "/p", .directory = "/", .cgroup = "c", .argv = argv, .envp = envp};
	struct plan_head h;
	size_t n;
	void *flat;

	if (seed % 8 == 0) {
		p.groups = groups;
		p.n_groups = seed / 8 % 5;
		p.limits = limits;
		p.n_limits = seed / 16384 % 4;
		p.flags = seed / 64 % (PLAN_FLAGS_ALL + 1);
		p.ready_fd = p.flags & PLAN_READY_FD ? PLAN_MIN_READY_FD + seed % 1021 : 0;
		p.stdin_path = p.flags & (PLAN_STDIN_FILE | PLAN_STDIN_FIFO) ? "/in" : NULL;
		p.argv = argv + seed / 4096 % 3;
		if (plan_encode(&p, &flat, &n) < 0)
			return size;
		if (n <= max_size) {
			memcpy(data, flat, n);
			size = n;
		}
		free(flat);
	}
	if (seed % 16 != 0)
		size = LLVMFuzzerMutate(data, size, max_size);
	if (size >= sizeof(h) && seed % 32 != 1) {
		memcpy(&h, data, sizeof(h));
		h.magic = PLAN_MAGIC;
		h.version = PLAN_VERSION;
		h.size = (uint32_t)size;
		memcpy(data, &h, sizeof(h));
	}
	return size;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *copy = malloc(size ? size : 1), *again = NULL;
	struct plan_view v;
	size_t n;

	memcpy(copy, data, size);
	if (plan_open(copy, size, &v) == 0) {
		struct plan p = {
			.flags = v.head->flags,
			.uid = v.head->uid,
			.gid = v.head->gid,
			.groups = v.groups,
			.n_groups = v.head->n_groups,
			.umask = v.head->umask,
			.nice = v.head->nice,
			.oom_score_adj = v.head->oom_score_adj,
			.ready_fd = v.head->ready_fd,
			.limits = v.limits,
			.n_limits = v.head->n_limits,
			.path = v.path,
			.directory = v.directory,
			.cgroup = v.cgroup,
			.stdin_path = v.stdin_path,
			.argv = (const char *const *)v.argv,
			.envp = (const char *const *)v.envp,
		};

		if (plan_encode(&p, &again, &n) < 0 || n != size)
			abort();
		if (memcmp(again, data, size) != 0)
			abort();
		free(again);
	}
	free(copy);
	return 0;
}
