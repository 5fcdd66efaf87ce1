/*
 * The outlet to a syslogd: "unix:PATH", "udp:ADDRESS:PORT" or "tcp:ADDRESS:PORT".
 */
#pragma once

#include "engine/logs/outlet/outlet.h"

#define SYSLOG_MAX_MESSAGE 8192 /* what receivers take as they come */
#define SYSLOG_MAX_LINE	   (SYSLOG_MAX_MESSAGE - 256) /* longer ones become several messages */

/* 0, -EINVAL for another address, or -ENOMEM. */
int syslog_new(struct outlet_set *set, const struct spec_target *target, struct outlet **ret);
