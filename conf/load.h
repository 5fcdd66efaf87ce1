/*
 * From files to a spec, in two steps that are kept apart on purpose:
 *
 *   sources   the text of every file that takes part (main file, includes, env-files)
 *             and what names of users and groups meant, read once. They can be written
 *             to bytes and read back: that is the configuration in force, which a new
 *             engine works from, whatever has become of the files.
 *   spec      what those texts mean. A pure function of the sources.
 */
#pragma once

#include "base/buf.h"
#include "conf/spec.h"

struct conf_sources;

/* Who runs us, and so what the default directories are. All borrowed; NULL if unset. */
struct conf_context {
	bool root;
	const char *home, *xdg_config_home, *xdg_runtime_dir, *xdg_state_home;
};

/* Fills in a context from uid and environment of this process. */
void conf_context_init(struct conf_context *ret_context);

/* The default file for that user, to be freed; NULL for lack of memory or of a HOME. */
char *conf_default_path(const struct conf_context *context);

/* Everything that is wrong, each "FILE:LINE: what, in which service, what is allowed". */
struct conf_errors {
	char **messages;
	size_t n;
	bool truncated; /* more than CONF_MAX_ERRORS, or no memory for them */
};
#define CONF_MAX_ERRORS 100
void conf_errors_fini(struct conf_errors *errors);

/*
 * Reads and parses. 0 with *ret_spec and, if wanted, *ret_sources set (both owned by the
 * caller); -EINVAL with errors filled in and nothing set; -ENOMEM.
 */
int conf_load(const char *path, const struct conf_context *context,
	struct conf_sources **ret_sources, struct spec **ret_spec, struct conf_errors *errors);

/* The same from sources: opens no file and looks up no name. */
int conf_parse(const struct conf_sources *sources, const struct conf_context *context,
	struct spec **ret_spec, struct conf_errors *errors);

/* Sources as bytes, and back. -ENOMEM; -EBADMSG where the bytes are malformed. */
int conf_sources_write(const struct conf_sources *sources, struct buf *ret_bytes);
int conf_sources_read(const void *data, size_t n, struct conf_sources **ret_sources);
void conf_sources_free(struct conf_sources *sources);

/*
 * From now on they say n instances of that definition (of a spec that they, or earlier ones,
 * came to), as long as the files say what they said then; its own number takes that back.
 * n <= SPEC_MAX_INSTANCES; -ENOMEM, -EFBIG.
 */
int conf_sources_scale(struct conf_sources *s, const struct spec_service *service, unsigned n);
/* The same for all definitions that have been scaled in a spec. */
int conf_sources_scale_as(struct conf_sources *s, const struct spec *spec);
