/*
 * One way for two processes to send each other messages, as the measurements see it: two
 * directions, each with one sender and one receiver. Everything blocks; whoever measures ends
 * both processes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum direction { TO_CHILD, TO_PARENT, DIRECTION_MAX };

struct mechanism {
	const char *name;
	/* Before the fork. 0, or a negative errno and the mechanism is left out. */
	int (*open)(void);
	/* In each process, after the fork: lets go of the ends that are the other one's. */
	void (*split)(bool is_child);
	/* A whole message each. 0; a negative errno: what the other one will never see. */
	int (*send)(enum direction d, const char *data, size_t n);
	int (*receive)(enum direction d, char *data, size_t n);
	/* In the parent, at the end: leaves nothing behind. */
	void (*close)(void);
	size_t (*max)(void); /* the longest message; NULL: any */
};

#define N_DESCRIPTOR_MECHANISMS 6
#define N_QUEUE_MECHANISMS	2
#define N_RING_MECHANISMS	2

extern const struct mechanism descriptor_mechanisms[N_DESCRIPTOR_MECHANISMS];
extern const struct mechanism queue_mechanisms[N_QUEUE_MECHANISMS];
extern const struct mechanism ring_mechanisms[N_RING_MECHANISMS];
