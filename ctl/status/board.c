/*
 * Trusted is a board of root, of whoever runs this, or of the socket's owner, who could answer
 * whatever he likes there as well. Even so its bytes are judged as any others; and a file that is
 * cut short under our hands is noticed (base/mapping.h).
 */
#include "ctl/status/board.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "wire/control.h"

#define BUSY_TRIES   20 /* a writer that lost its CPU gets it back */
#define BUSY_USEC    1000
#define MOMENT_TRIES 3
#define MAX_PATTERN  256 /* as the engine has it */
#define MAX_GLOBS    64 /* more may take long, and the engine knows when to refuse */

/* --- opening --- */

/* The board beside a socket, if that is one that supervisord makes; NULL. */
static char *path_beside(const char *socket_path)
{
	const char *slash = strrchr(socket_path, '/');
	int n = slash ? (int)(slash - socket_path) + 1 : 0;
	char *path;

	if (strcmp(socket_path + n, CONTROL_SOCKET_NAME) != 0)
		return NULL;
	return asprintf(&path, "%.*s" SUPERVISORD_BOARD_NAME, n, socket_path) < 0 ? NULL : path;
}

static bool is_trusted(const struct stat *st, const char *socket_path)
{
	struct stat socket;

	if (!S_ISREG(st->st_mode))
		return false;
	if (st->st_uid == 0 || st->st_uid == geteuid())
		return true;
	return lstat(socket_path, &socket) == 0 && S_ISSOCK(socket.st_mode) &&
	       socket.st_uid == st->st_uid;
}

static unsigned hex(char c)
{
	return c <= '9' ? (unsigned)c - '0' : ((unsigned)c | 0x20) - 'a' + 10;
}

/* A board outlives its boot where the runtime directory does. */
static bool is_of_this_boot(const struct supervisord_board_head *h)
{
	static const uint8_t unknown[sizeof(h->boot_id)];
	char text[64] = "";
	size_t n = 0; /* digits */
	_cleanup_close_
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (memcmp(h->boot_id, unknown, sizeof(unknown)) == 0)
		return true;
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return true; /* who has no /proc can't tell */
	for (const char *c = text; *c && *c != '\n'; c++) {
		if (*c == '-')
			continue;
		if (n / 2 == sizeof(h->boot_id) ||
			(h->boot_id[n / 2] >> (n % 2 ? 0 : 4) & 0xf) != hex(*c))
			return false;
		n++;
	}
	return n == 2 * sizeof(h->boot_id);
}

static int map(struct board *b, const struct stat *st)
{
	size_t size = (size_t)st->st_size;
	void *memory;
	int r;

	if (size == 0)
		return -EBADMSG;
	if (mapping_init() < 0)
		return -errno;
	memory = mmap(NULL, size, PROT_READ, MAP_SHARED, b->fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	mapping_add(&b->mapping, memory, size);
	r = supervisord_board_look(memory, size, &b->view);
	if (r == SUPERVISORD_BOARD_UNKNOWN_VERSION)
		return -EPROTONOSUPPORT;
	if (r != SUPERVISORD_BOARD_OK)
		return -EBADMSG;
	if (supervisord_board_load(&b->view.head->flags) &
			(SUPERVISORD_BOARD_RETIRED | SUPERVISORD_BOARD_ENDED) ||
		!is_of_this_boot(b->view.head))
		return -ESTALE;
	return 0;
}

static int open_at(struct board *b, const char *socket_path)
{
	struct stat st;

	b->path = path_beside(socket_path);
	if (!b->path)
		return -ENOENT;
	b->fd = open(b->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (b->fd < 0 || fstat(b->fd, &st) < 0)
		return -errno;
	if (!is_trusted(&st, socket_path))
		return -EPERM;
	b->device = st.st_dev;
	b->inode = st.st_ino;
	return map(b, &st);
}

int board_open(struct board *b, const char *socket_path)
{
	int r;

	*b = (struct board)BOARD_INIT;
	r = open_at(b, socket_path);
	if (r < 0)
		board_close(b);
	return r;
}

void board_close(struct board *b)
{
	struct mapping m = b->mapping;

	mapping_remove(&b->mapping);
	if (m.address)
		munmap(m.address, m.size);
	close_fd(b->fd);
	free(b->path);
	*b = (struct board)BOARD_INIT;
}

bool board_is_attended(const struct board *b)
{
	return supervisord_board_is_attended(b->fd) == 1;
}

bool board_is_current(const struct board *b)
{
	uint32_t flags = supervisord_board_load(&b->view.head->flags);
	struct stat st;

	return flags == 0 && !mapping_is_lost(&b->mapping) && lstat(b->path, &st) == 0 &&
	       st.st_ino == b->inode && st.st_dev == b->device && board_is_attended(b);
}

/* --- names --- */

/* "web" means web, or web@1, web@2 and so on. */
static bool is_of_definition(const char *name, const char *definition)
{
	size_t n = strlen(definition);

	return strncmp(name, definition, n) == 0 && (name[n] == '\0' || name[n] == '@');
}

static bool is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

static bool matches(const char *name, const char *pattern)
{
	return is_of_definition(name, pattern) ||
	       (is_glob(pattern) && fnmatch(pattern, name, 0) == 0);
}

/* Groups are known to the engine only, and what is no name at all is for it to refuse. */
static bool is_for_us(const struct board_names *patterns)
{
	size_t n_globs = 0;

	for (size_t i = 0; i < patterns->n; i++) {
		const char *text = patterns->texts[i];

		if (text[0] == '@' || strlen(text) > MAX_PATTERN)
			return false;
		n_globs += is_glob(text);
	}
	return n_globs <= MAX_GLOBS;
}

/* Whether one of the patterns means it; each that does is marked. */
static bool is_meant(const char *name, const struct board_names *patterns, bool *marks)
{
	bool found = patterns->n == 0;

	for (size_t i = 0; i < patterns->n; i++) {
		if (matches(name, patterns->texts[i]))
			found = marks[i] = true;
	}
	return found;
}

static const char *find_unknown(const struct board_names *patterns, const bool *marks)
{
	for (size_t i = 0; i < patterns->n; i++) {
		if (!marks[i])
			return patterns->texts[i];
	}
	return NULL;
}

/* --- reading --- */

static int read_slot(const struct board *b, uint32_t id, struct supervisord_board_slot *ret_slot)
{
	for (int tries = 0; tries < BUSY_TRIES; tries++) {
		int r = supervisord_board_read(&b->view, id, ret_slot);

		if (r != SUPERVISORD_BOARD_BUSY)
			return r;
		usleep(BUSY_USEC);
	}
	return SUPERVISORD_BOARD_BUSY;
}

/* One look at all slots. */
struct look {
	const struct board *board;
	const struct board_names *patterns;
	const struct board_visitor *visitor;
	uint32_t capacity;
	bool *marks; /* owned; of patterns that were found */
	uint32_t *order; /* owned; NULL while slots have the order of their numbers */
};

static void look_fini(struct look *l)
{
	free(l->marks);
	free(l->order);
}

/* Its lines are on their way while another slot is told: waiting for them is what reading costs. */
static void prefetch(const struct look *l, uint32_t i)
{
	const struct supervisord_board_slot *slot;

	if (i >= l->capacity)
		return;
	slot = supervisord_board_at(&l->board->view, l->order ? l->order[i] : i);
	for (size_t at = 0; at < offsetof(struct supervisord_board_slot, blocker); at += 64)
		__builtin_prefetch((const char *)slot + at);
	__builtin_prefetch(slot->blocker);
	__builtin_prefetch(slot->reason);
	__builtin_prefetch(slot->status_text);
}

/* Each slot as it was at some moment; -ESTALE: they aren't in that order. */
static int visit_each(struct look *l)
{
	struct supervisord_board_slot slot;
	uint32_t place = 0;

	l->visitor->begin(l->visitor->userdata);
	memset(l->marks, 0, l->patterns->n * sizeof(*l->marks));
	for (uint32_t i = 0; i < l->capacity; i++) {
		uint32_t id = l->order ? l->order[i] : i;
		int r;

		prefetch(l, i + 2);
		r = read_slot(l->board, id, &slot);
		if (r == SUPERVISORD_BOARD_BUSY)
			return -EBUSY;
		if (r != SUPERVISORD_BOARD_OK)
			continue;
		if (slot.place < place)
			return -ESTALE;
		place = slot.place;
		if (!is_meant(slot.name, l->patterns, l->marks))
			continue;
		r = l->visitor->visit(&slot, id, l->visitor->userdata);
		if (r < 0)
			return r;
	}
	return mapping_is_lost(&l->board->mapping) ? -EIO : 0;
}

struct position {
	uint32_t place, id;
};

static int compare_positions(const void *a, const void *b)
{
	const struct position *x = a, *y = b;

	return x->place != y->place ? (x->place < y->place ? -1 : 1)
				    : (x->id > y->id) - (x->id < y->id);
}

/* Where each is, without its lock: whoever reads them in this order sees whether it was wrong. */
static int find_order(struct look *l)
{
	_cleanup_free_
	struct position *positions = calloc(l->capacity, sizeof(*positions));

	if (!l->order)
		l->order = calloc(l->capacity, sizeof(*l->order));
	if (!positions || !l->order)
		return -ENOMEM;
	for (uint32_t id = 0; id < l->capacity; id++) {
		positions[id].place = __atomic_load_n(
			&supervisord_board_at(&l->board->view, id)->place, __ATOMIC_RELAXED);
		positions[id].id = id;
	}
	qsort(positions, l->capacity, sizeof(*positions), compare_positions);
	for (uint32_t i = 0; i < l->capacity; i++)
		l->order[i] = positions[i].id;
	return 0;
}

/* Mostly they are in order already, so that is looked for only where they were not. */
static int visit_in_order(struct look *l)
{
	int r = visit_each(l);

	for (int tries = 0; r == -ESTALE && tries < MOMENT_TRIES; tries++) {
		r = find_order(l);
		if (r == 0)
			r = visit_each(l);
	}
	return r == -ESTALE ? -EBUSY : r;
}

int board_visit(const struct board *b, const struct board_names *patterns,
	const struct board_visitor *v, const char **ret_unknown)
{
	const struct supervisord_board_head *h = b->view.head;
	_cleanup_(look_fini) struct look l = {
		.board = b,
		.patterns = patterns,
		.visitor = v,
		.capacity = supervisord_board_slots(&b->view),
		.marks = calloc(patterns->n + 1, sizeof(bool)),
	};
	uint32_t changes;
	int tries = 0, r;

	if (!l.marks)
		return -ENOMEM;
	if (!is_for_us(patterns))
		return -EOPNOTSUPP;
	if (supervisord_board_load(&h->flags) & SUPERVISORD_BOARD_INCOMPLETE)
		return -EXFULL;
	do {
		changes = supervisord_board_load(&h->changes);
		r = visit_in_order(&l);
	} while (
		r == 0 && changes != supervisord_board_load(&h->changes) && ++tries < MOMENT_TRIES);
	if (r < 0)
		return r;
	if (supervisord_board_load(&h->capacity) > l.capacity)
		return -EAGAIN;
	*ret_unknown = find_unknown(patterns, l.marks);
	return *ret_unknown ? -ENOENT : 0;
}

usec_t board_changed_usec(const struct board *b)
{
	return __atomic_load_n(&b->view.head->changed_usec, __ATOMIC_RELAXED);
}

/* --- keeping what was read --- */

void board_services_fini(struct board_services *s)
{
	free(s->services);
	*s = (struct board_services){0};
}

static void forget(void *userdata)
{
	((struct board_services *)userdata)->n = 0;
}

static int keep(const struct supervisord_board_slot *slot, uint32_t id, void *userdata)
{
	struct board_services *s = userdata;

	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 16;
		struct board_service *bigger = reallocarray(s->services, size, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		s->services = bigger;
		s->size = size;
	}
	s->services[s->n++] = (struct board_service){.slot = *slot, .id = id};
	return 0;
}

int board_read(const struct board *b, const struct board_names *patterns,
	struct board_services *ret_services, const char **ret_unknown)
{
	struct board_services s = {0};
	const struct board_visitor v = {.begin = forget, .visit = keep, .userdata = &s};
	int r = board_visit(b, patterns, &v, ret_unknown);

	if (r < 0 && r != -ENOENT) {
		board_services_fini(&s);
		return r;
	}
	s.changed_usec = board_changed_usec(b);
	*ret_services = s;
	return r;
}

int board_open_if(struct board *b, const char *socket_path, bool attended)
{
	int r = board_open(b, socket_path);

	return r == 0 && board_is_attended(b) != attended ? -EAGAIN : r;
}

int board_get(const char *socket_path, bool attended, const struct board_names *patterns,
	struct board_services *ret_services, const char **ret_unknown)
{
	_cleanup_board_ struct board b = BOARD_INIT;
	int r = board_open_if(&b, socket_path, attended);

	return r < 0 ? r : board_read(&b, patterns, ret_services, ret_unknown);
}
