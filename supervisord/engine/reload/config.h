/*
 * Configurations as texts in memfds that the launcher keeps, and as specs. There are
 * RECOVERY_CONFIGS places: one is in force, in others may be what services still go by that
 * are being stopped. The recovery area says which is in force: that one store is the moment
 * when a new one becomes so.
 */
#pragma once

#include "engine/engine.h"

/* Reads the files, as the options say where, and tells what is wrong. 0, or the exit status. */
int config_load_files(struct engine *e, struct conf_sources **ret_sources, struct spec **ret_spec);
/* Sources in a sealed memfd: the fd, or -errno. */
int config_write(const struct conf_sources *sources);
/* And back; the caller frees them. 0 or -errno. */
int config_read(int fd, struct conf_sources **ret_sources);

/* A place that nobody uses, or -EBUSY. */
int config_find_place(const struct engine *e);
/* Gives the launcher the text for a place. 0 or -errno. */
int config_keep(struct engine *e, uint8_t place, int fd);
/*
 * The same as config_take_kept() from the copies in the runtime directory, where the launcher has
 * nothing; and then gives it all that. 0 or -errno.
 */
int config_take_saved(struct engine *e, const char *runtime_dir);
int config_keep_saved(struct engine *e);
/* Removes the copies: the end of supervisord. */
void config_forget_saved(const char *runtime_dir);
void config_free(struct config *c);
/* Takes all that the launcher has, and what is in force from the recovery area. 0 or -errno. */
int config_take_kept(struct engine *e);

/*
 * Puts the place in force, whose spec and text are there, and kept. op: who asked for it; flags:
 * enum recovery_config_flags.
 */
void config_enforce(struct engine *e, uint8_t place, uint64_t op, uint8_t flags);
uint8_t config_flags(const struct engine *e);
/* A request of this id has put one of the last configurations in force (never for 0). */
bool config_remembers(const struct engine *e, uint64_t op);
/* One user of a configuration less; the last one frees it, unless it is in force. */
void config_unref(struct engine *e, uint8_t place);
void config_init(struct engine *e);
void config_fini(struct engine *e);
