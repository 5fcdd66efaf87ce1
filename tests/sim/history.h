/*
 * A history: a configuration, the faults that may happen in it, and a list of operations. It is
 * plain data, and each operation has random bits of its own, by which the world resolves what
 * exactly happens. So any operation, service, link or fault can be left out, and the rest still
 * means something: that is what shrinking needs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/core.h"

#define SIM_SERVICES 7 /* places; the last one is the loner's, where there is one */
#define SIM_LONER    (SIM_SERVICES - 1)
#define SIM_POOLS    2
#define SIM_LINKS    20
#define SIM_OPS	     200

/* clang-format off */

/* Faults and quirks of a world. A run enables some of them, else they get in each other's way. */
#define SIM_FAULTS(X)                                                                        \
	X(spawn)      /* a program can't be executed */                                      \
	X(exit)       /* a process ends by itself, well */                                   \
	X(crash)      /* a process ends by itself, badly */                                  \
	X(children)   /* a process has others, which outlive it */                           \
	X(stubborn)   /* a process ignores everything but KILL */                            \
	X(unkillable) /* a process, or a hook, survives KILL for a while */                  \
	X(silent)     /* a service does not become ready, or gives no sign of life */        \
	X(sick)       /* checks of health fail */                                            \
	X(hooks)      /* hooks fail, or hang */                                              \
	X(early)      /* news overtake each other where they go different ways */            \
	X(late)       /* news and deadlines are told late */                                 \
	X(leap)       /* the clock leaps by hours */                                         \
	X(torn)       /* engines die in the middle of performing a step */

/* What may happen next; whom it happens to is the operation's service, where that matters. */
#define SIM_OPERATIONS(X)                                                                    \
	X(start) X(autostart) X(stop) X(restart) X(reset) X(kill) X(signal)                  \
	X(live)     /* the launcher, a process or a hook of it does something */             \
	X(time)     /* passes */                                                             \
	X(stale)    /* news that the core has heard, or of long ago */                       \
	X(die)      /* the engine does, between two events */                                \
	X(policy)   /* a reload that changes settings of a service */                        \
	X(graph)    /* a reload that changes links, pools and limits */                      \
	X(refused)  /* a reload that is refused */                                           \
	X(remove)   /* a reload that removes a service */                                    \
	X(add)      /* a reload that adds one in a free place */                             \
	X(shutdown) X(hurry)

#define ENUM_FAULT(name) FAULT_##name##_BIT,
enum { SIM_FAULTS(ENUM_FAULT) FAULT_MAX };
#undef ENUM_FAULT

#define ENUM_FAULT(name) FAULT_##name = 1 << FAULT_##name##_BIT,
enum sim_fault { SIM_FAULTS(ENUM_FAULT) };
#undef ENUM_FAULT

#define ENUM_OPERATION(name) OP_##name,
enum sim_operation { SIM_OPERATIONS(ENUM_OPERATION) OP_MAX };
#undef ENUM_OPERATION
/* clang-format on */

struct sim_op {
	enum sim_operation kind;
	uint32_t service;
	uint32_t cut; /* n > 0: an engine dies when the n-th change of this is committed */
	uint64_t random;
};

struct sim_service {
	bool used;
	struct spec_policy policy;
	uint32_t pool; /* or CORE_NO_POOL */
};

/* What is in force; the world changes its own copy of it. */
struct sim_config {
	struct sim_service services[SIM_SERVICES];
	struct core_link links[SIM_LINKS];
	unsigned n_links;
	uint32_t slots[SIM_POOLS];
	unsigned n_pools;
	unsigned max_starting;
	bool loner; /* the last service has nothing to do with the others */
};

struct history {
	uint64_t seed; /* that it was drawn from */
	unsigned faults; /* enum sim_fault */
	usec_t clock; /* when it begins */
	struct sim_config config;
	struct sim_op ops[SIM_OPS];
	unsigned n_ops;
};

/* --- random numbers --- */

/* A stream of random numbers (splitmix64); its state is all there is to it. */
static inline uint64_t sim_draw(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static inline uint32_t sim_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(((sim_draw(state) >> 32) * n) >> 32);
}

/* One time in n. */
static inline bool sim_rarely(uint64_t *state, uint32_t n)
{
	return sim_below(state, n) == 0;
}

/* --- draw.c --- */

void draw_history(uint64_t seed, struct history *ret_history);
void draw_policy(uint64_t *random, bool loner, struct spec_policy *ret_policy);
/* Changes what may change while a service lives. */
void draw_settings(uint64_t *random, struct spec_policy *policy);
/* Links, pools and limits between the services of a configuration. */
void draw_graph(uint64_t *random, struct sim_config *config);
/* What a policy is where nothing is said: the plainest that shrinking can come to. */
struct spec_policy plain_policy(void);

/* --- text.c --- */

void history_print(const struct history *h, FILE *to);
void link_print(const struct core_link *link, FILE *to);
/* False, with a message on stderr, for a file that can't be read or understood. */
bool history_read(const char *path, struct history *ret_history);
const char *operation_to_string(enum sim_operation op);
/* The settings of a policy, for shrinking: sets the n-th to its plain value; false past the last */
bool policy_plain(struct spec_policy *p, unsigned n);
