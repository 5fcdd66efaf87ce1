/* Inside of uplink: what services have to tell the launcher, until it is sent. */
#pragma once

struct engine;

/* 0 or -ENOMEM. */
int uplink_outbox_init(struct engine *e);
/* What is sent without a mark comes behind what was said before: now, as far as there is room. */
void uplink_outbox_flush_late(struct engine *e);
