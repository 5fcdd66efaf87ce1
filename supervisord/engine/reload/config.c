/*
 * A spec is a pure function of its sources, so the text is all that has to be kept: the next
 * engine comes to the same, whatever has become of the files meanwhile. The launcher keeps it, and
 * a copy lies beside the recovery area, for when that one is killed as well.
 */
#include "engine/reload/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"

#define EXIT_CONFIGURATION 2 /* a contract: bad configuration at the first start */

_Static_assert(
	LINK_KEEP_CONFIG_LAST - LINK_KEEP_CONFIG + 1 == RECOVERY_CONFIGS, "a tag for each place");

static void print_errors(const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		fprintf(stderr, "%s\n", errors->messages[i]);
	if (errors->truncated)
		fprintf(stderr, "(there are more errors)\n");
}

int config_load_files(struct engine *e, struct conf_sources **ret_sources, struct spec **ret_spec)
{
	_cleanup_free_
	char *standard = NULL;
	const char *path = e->options.config;
	struct conf_errors errors = {0};
	int r;

	if (!path)
		path = standard = conf_default_path(&e->context);
	if (!path) {
		fprintf(stderr,
			"supervisord: no HOME to look for a configuration in; use -c FILE\n");
		return EXIT_CONFIGURATION;
	}
	r = conf_load(path, &e->context, ret_sources, ret_spec, &errors);
	if (r < 0 && errors.n == 0)
		fprintf(stderr, "supervisord: cannot read %s: %s\n", path, strerror(-r));
	print_errors(&errors);
	conf_errors_fini(&errors);
	return r < 0 ? EXIT_CONFIGURATION : 0;
}

static int seal(int fd)
{
	return sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

int config_write(const struct conf_sources *sources)
{
	_cleanup_buf_ struct buf bytes = {0};
	_cleanup_close_
	int fd = -1;
	int r = conf_sources_write(sources, &bytes);

	if (r < 0)
		return r;
	fd = sys_memfd_create("configuration", MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	for (size_t done = 0; done < bytes.len;) {
		ssize_t n = sys_pwrite(fd, bytes.data + done, bytes.len - done, (off_t)done);

		if (n <= 0)
			return n < 0 ? (int)n : -ENOSPC;
		done += (size_t)n;
	}
	r = seal(fd);
	return r < 0 ? r : TAKE_FD(fd);
}

int config_read(int fd, struct conf_sources **ret_sources)
{
	struct stat st;
	void *text;
	int r = sys_fstat(fd, &st);

	if (r == 0)
		r = sys_mmap((size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0, &text);
	if (r < 0)
		return r;
	r = conf_sources_read(text, (size_t)st.st_size, ret_sources);
	sys_munmap(text, (size_t)st.st_size);
	return r;
}

/* The spec that a memfd means. 0 or -errno; a mistake in it is told in the log. */
static int parse(const struct engine *e, int fd, struct spec **ret_spec)
{
	struct conf_errors errors = {0};
	struct conf_sources *sources = NULL;
	int r = config_read(fd, &sources);

	if (r == 0)
		r = conf_parse(sources, &e->context, ret_spec, &errors);
	conf_sources_free(sources);
	print_errors(&errors);
	conf_errors_fini(&errors);
	return r;
}

void config_init(struct engine *e)
{
	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		e->configs[i] = (struct config){.text = -1};
		e->saved[i] = -1;
	}
}

int config_find_place(const struct engine *e)
{
	for (int i = 0; i < RECOVERY_CONFIGS; i++) {
		if (!e->configs[i].spec)
			return i;
	}
	return -EBUSY;
}

/* --- copies beside the recovery area, for who finds that after the launcher's end --- */

static char *saved_path(const char *runtime_dir, unsigned place, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s/configuration.%u%s", runtime_dir, place, suffix) < 0 ? NULL
											: path;
}

static int copy_bytes(int from, int to)
{
	char data[16384];

	for (off_t at = 0;;) {
		ssize_t n = sys_pread(from, data, sizeof(data), at), written;

		if (n <= 0)
			return (int)n;
		written = sys_pwrite(to, data, (size_t)n, at);
		if (written <= 0)
			return written < 0 ? (int)written : -ENOSPC;
		at += written;
	}
}

/* Replaced as a whole. What it holds may be secret. */
static int save(const struct engine *e, unsigned place, int text)
{
	_cleanup_free_
	char *path = saved_path(e->spec->runtime_dir, place, "");
	_cleanup_free_
	char *new = saved_path(e->spec->runtime_dir, place, ".new");
	_cleanup_close_
	int fd = -1;
	int r;

	if (!path || !new)
		return -ENOMEM;
	sys_unlinkat(AT_FDCWD, new, 0);
	fd = sys_openat(AT_FDCWD, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = copy_bytes(text, fd);
	if (r == 0)
		r = sys_renameat(AT_FDCWD, new, path);
	if (r < 0)
		sys_unlinkat(AT_FDCWD, new, 0);
	return r;
}

static int open_saved(const char *runtime_dir, unsigned place)
{
	_cleanup_free_
	char *path = saved_path(runtime_dir, place, "");
	_cleanup_close_
	int fd = -1;
	_cleanup_close_
	int copy = -1;
	struct stat st;
	int r;

	if (!path)
		return -ENOMEM;
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, &st);
	if (r == 0 && (!S_ISREG(st.st_mode) || st.st_uid != geteuid()))
		r = -EPERM;
	if (r < 0)
		return r;
	copy = sys_memfd_create("configuration", MFD_ALLOW_SEALING);
	if (copy < 0)
		return copy;
	r = copy_bytes(fd, copy);
	if (r == 0)
		r = seal(copy);
	return r < 0 ? r : TAKE_FD(copy);
}

void config_forget_saved(const char *runtime_dir)
{
	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		_cleanup_free_
		char *path = saved_path(runtime_dir, i, "");

		if (path)
			sys_unlinkat(AT_FDCWD, path, 0);
	}
}

int config_keep(struct engine *e, uint8_t place, int fd)
{
	int r = save(e, place, fd);

	if (r < 0)
		log_warning("cannot save the configuration in %s: %s; should supervisord be killed "
			    "with its engine, the next one ends what is left",
			e->spec->runtime_dir, strerror(-r));
	return uplink_keep(e, (enum link_keep)(LINK_KEEP_CONFIG + place), fd);
}

/* A place in use by nobody may hold an old text still; nobody asks for its spec. */
static bool is_needed(const struct engine *e, unsigned place)
{
	const struct recovery_head *head = &e->store.head;

	if (head->config == place)
		return true;
	for (uint32_t i = 0; i < head->capacity; i++) {
		const struct recovery_record *r = recovery_record(&e->store.area, i);

		if (r->name[0] != '\0' && r->config == place)
			return true;
	}
	return false;
}

int config_take_kept(struct engine *e)
{
	int result = 0;

	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		_cleanup_close_
		int fd = uplink_take_kept(e, (enum link_keep)(LINK_KEEP_CONFIG + i));
		int r;

		if (!is_needed(e, i))
			continue;
		r = fd < 0 ? -ENOENT : parse(e, fd, &e->configs[i].spec);
		/* Without an older one, what goes by it can't be told how to stop; it is looked
		 * after no more, which is said. */
		if (r < 0)
			log_error("cannot read a configuration in force again: %s", strerror(-r));
		if (i != e->store.head.config)
			continue;
		result = r;
		e->configs[i].text = TAKE_FD(fd);
	}
	e->config = (uint8_t)e->store.head.config;
	e->spec = e->configs[e->config].spec;
	return result;
}

int config_take_saved(struct engine *e, const char *runtime_dir)
{
	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		int *kept = &e->uplink.kept[LINK_KEEP_CONFIG + i];
		int r;

		if (!is_needed(e, i))
			continue;
		close_fd(*kept);
		*kept = open_saved(runtime_dir, i);
		if (*kept < 0) {
			r = *kept;
			*kept = -1;
			return r;
		}
		/* Until it has told the launcher what to keep, that has to come from here. */
		e->saved[i] = sys_dup_cloexec(*kept, STDERR_FILENO + 1);
		if (e->saved[i] < 0)
			return e->saved[i];
	}
	return config_take_kept(e);
}

int config_keep_saved(struct engine *e)
{
	int r = 0;

	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		if (e->saved[i] < 0)
			continue;
		if (r == 0)
			r = config_keep(e, (uint8_t)i, e->saved[i]);
		e->saved[i] = close_fd(e->saved[i]);
	}
	return r;
}

void config_free(struct config *c)
{
	spec_free(c->spec);
	*c = (struct config){.text = close_fd(c->text)};
}

void config_enforce(struct engine *e, uint8_t place, uint64_t op, uint8_t flags)
{
	uint8_t old = e->config;

	store_set(&e->store, config_op[place], op);
	store_set(&e->store, config_flags[place], flags);
	store_set(&e->store, config, place);
	e->config = place;
	e->spec = e->configs[place].spec;
	if (old == place)
		return;
	e->configs[old].text = close_fd(e->configs[old].text);
	if (e->configs[old].n_users == 0)
		config_free(&e->configs[old]);
}

uint8_t config_flags(const struct engine *e)
{
	return e->store.head.config_flags[e->config];
}

bool config_remembers(const struct engine *e, uint64_t op)
{
	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		if (op != 0 && e->store.head.config_op[i] == op)
			return true;
	}
	return false;
}

void config_unref(struct engine *e, uint8_t place)
{
	struct config *c = &e->configs[place];

	if (--c->n_users > 0 || place == e->config)
		return;
	config_free(c);
	reload_place_is_free(e);
}

void config_fini(struct engine *e)
{
	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++)
		config_free(&e->configs[i]);
}
