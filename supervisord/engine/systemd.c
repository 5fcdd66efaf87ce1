/*
 * The only file that knows libsystemd. sd_notify() sends one datagram; a receiver that does
 * not read could make it wait for its send timeout, so the state is told at turning points
 * only: ready, and going down.
 */
#include "engine/systemd.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/log.h"
#include "base/usec.h"

void systemd_notify(const char *format, ...)
{
	char state[256];
	va_list args;
	int r = 0;

	va_start(args, format);
	vsnprintf(state, sizeof(state), format, args);
	va_end(args);
#ifdef HAVE_SYSTEMD
	r = sd_notify(0, state);
#endif
	if (r < 0)
		log_warning("cannot tell systemd: %s", strerror(-r));
}

void systemd_reloading(void)
{
	systemd_notify(
		"RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)usec_now(CLOCK_MONOTONIC));
}

void systemd_reloaded(void)
{
	systemd_notify("READY=1");
}
