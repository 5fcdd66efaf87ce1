/*
 * The descriptors that the launcher keeps: how they come to the engine. uplink_keep() and
 * uplink_take_kept() are for everybody.
 */
#pragma once

struct uplink;

/* There are none yet. */
void uplink_kept_init(struct uplink *u);
/*
 * Waits for them (bounded); the first other message stays for uplink_listen(). 0, also where the
 * launcher has died since; -EPIPE where it had not told all of it; -ETIMEDOUT; -errno.
 */
int uplink_kept_receive(struct uplink *u);
/* The launcher's program. Older ones pass nothing on, and something else may have this number. */
void uplink_kept_take_image(struct uplink *u);
/* Whoever goes on in the launcher's place has nothing to go back to any more. */
void uplink_kept_forget_old(struct uplink *u);
