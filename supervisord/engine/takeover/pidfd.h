/*
 * A pidfd of each process that the launcher has told of: should the launcher die, it is by these
 * that another one sees how they end. Nothing here waits for them.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/*
 * Opens one in place of *pidfd, which is owned (-1: none). Where there are too few descriptors, or
 * the process is gone, it stays without. inode: of that process's pidfd, 0 where it is not known.
 */
void pidfd_take(int *pidfd, pid_t pid, uint64_t inode);

/* That process's pidfd: its number, or -errno; -ESRCH where that pid is nobody's, or another's. */
int pidfd_open(pid_t pid, uint64_t inode);
/* 0 where that can't be told. */
uint64_t pidfd_inode(int pidfd);
