/*
 * What systemd (or whoever set NOTIFY_SOCKET) is told. Nothing where the program was built
 * without libsystemd, or nobody wants to know.
 */
#pragma once

#include "base/macro.h"

/* A reload of the configuration begins; and is over, done or not. */
void systemd_reloading(void);
void systemd_reloaded(void);

/* sd_notify() text, like "READY=1\nSTATUS=...". The engine is not the main process, so the
 * unit needs NotifyAccess=all. */
void systemd_notify(const char *format, ...) _printf_(1, 2);
