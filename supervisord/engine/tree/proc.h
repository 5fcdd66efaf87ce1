/*
 * What /proc says about processes, read with bounds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	pid_t pid, parent, session;
	char state; /* 'Z' and 'X' are dead */
	bool exiting; /* has begun to end: nothing of it can be read any more */
	uint64_t start_ticks;
};

/* 0; -ESRCH where there is no such process (any more); -errno. */
int proc_stat_get(pid_t pid, struct proc_stat *ret_stat);

static inline bool proc_is_dead(const struct proc_stat *s)
{
	return s->state == 'Z' || s->state == 'X';
}

/* It has a command line: while it executes a program, and when it ends, it has none. */
bool proc_has_command(pid_t pid);

/* The command line with blanks between, or the name where there is none. Unsafe text. */
void proc_command(pid_t pid, char *ret_text, size_t n);

/*
 * The SUPERVISOR_INVOCATION in its environment, as it was at exec. 1; 0: it has none, or none of
 * our form; -EAGAIN: it is in the middle of exec, and says nothing; -errno.
 */
#define PROC_INVOCATION_SIZE 16
int proc_invocation(pid_t pid, uint8_t ret_invocation[static PROC_INVOCATION_SIZE]);

/* What supervisord has put into its environment. */
struct proc_identity {
	uint8_t invocation[PROC_INVOCATION_SIZE];
	char hook[32]; /* SUPERVISOR_HOOK, "" where there is none: it is no command */
};

/* Likewise; of -errno, -EACCES says that it is kept from us. */
int proc_identity_get(pid_t pid, struct proc_identity *ret_identity);

/* The first word of its command line, "supervisord" where that can't be told. */
void proc_command_name(pid_t pid, char *ret_name, size_t n);

/* Of its command line; 0 where it has none, see proc_has_command(). */
uint64_t proc_command_hash(pid_t pid);

/*
 * Whether /proc is there and shows our own pid namespace: a container may have none, or that
 * of its host, in which a pid means somebody else.
 */
bool proc_is_ours(void);

/*
 * All processes, dead ones included, by pid: an array to be freed. 0: whoever lives now, and lived
 * at the beginning, is among them; and so is somebody of each family that has never died out. 1:
 * there was too much coming and going to be sure. -errno.
 */
int proc_list(struct proc_stat **ret_stats, size_t *ret_n);
