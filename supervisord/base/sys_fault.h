/* Test build only: which calls are to fail. See base/sys.h for the syntax. */
#pragma once

/* The errno with which this call has to fail, or 0. Counts the call. */
int sys_fault(const char *call);
