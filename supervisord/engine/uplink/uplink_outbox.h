/* Inside of uplink: what services have to tell the launcher, until it is sent. */
#pragma once

struct engine;
struct service;

/* 0 or -ENOMEM. */
int uplink_outbox_init(struct engine *e);
/* The service is in the line no more. */
void uplink_outbox_drop(struct service *s);
/* What is sent without a mark comes behind what was said before: now, as far as there is room. */
void uplink_outbox_flush_late(struct engine *e);
