/*
 * Services by the pid of their main process, for those that come and say something where there are
 * no cgroups. Nothing is kept until somebody asks.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct engine;
struct service;

struct mains {
	uint32_t *places; /* owned: the numbers of services; NULL: not asked for yet */
	uint32_t size; /* a power of two */
	uint32_t n_used; /* also by what is out of date */
};

/* The service whose main process has that pid, or has had it until just now; NULL: none. */
struct service *mains_find(struct engine *e, pid_t pid);
/* It has another one. */
void mains_changed(struct service *s);
void mains_fini(struct mains *m);
