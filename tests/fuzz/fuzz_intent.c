/*
 * Bytes as what a log pump that was killed has left. The first one chooses: 1: the intent is about
 * the file that is there, whatever device and inode it says; 2: the holding pipe of another pump
 * has more in it than this one has a buffer for. Then comes the intent (short of bytes: zeros
 * follow), and what is in the holding pipe.
 *
 * However it is, a pump goes on from it: nothing is noted or held any more then, the logs of the
 * service are no larger than that makes them, that of another one stays as it was, and whoever
 * comes next has nothing to do.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "engine/logs/pump.h"

#define MAX_HELD 32768
#define OLD	 "what was there\nand more"
#define MAX_FILE (MAX_HELD * 64) /* with what formats add to each byte */

enum { OF_THE_FILE = 1, LARGER = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64];
static _Alignas(uint64_t) uint8_t room_bytes[INTENT_ROOM_SIZE];

static struct {
	struct loop loop;
	struct sink_set sinks;
	struct pump_set pumps;
	struct sink sink, further;
	struct pump pump;
} all;

static struct pump *find(struct pump_set *set _unused_, uint32_t id, unsigned stream)
{
	return id == 0 && stream == 0 ? &all.pump : NULL;
}

static void account(struct pump *p _unused_)
{
}

static void *room(struct ledger *l _unused_)
{
	return room_bytes;
}

static void ended(struct pump *p _unused_)
{
}

static int remove_one(
	const char *path, const struct stat *st _unused_, int type _unused_, struct FTW *f _unused_)
{
	return remove(path);
}

static void remove_all(void)
{
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name, char ret_path[static 128])
{
	snprintf(ret_path, 128, "%s/%s", directory, name);
	return ret_path;
}

/* The size of a file, with that content where it is given. */
static size_t check_file(const char *name, const char *text)
{
	char path[128], found[sizeof(OLD)] = "";
	_cleanup_close_
	int fd = open(path_of(name, path), O_RDONLY | O_CLOEXEC);
	struct stat st = {0};

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0; /* it was renamed, and no other one has begun */
	if (text && (read(fd, found, sizeof(found)) != (ssize_t)strlen(text) ||
			    memcmp(found, text, strlen(text)) != 0))
		abort();
	if (st.st_size > MAX_FILE)
		abort();
	return (size_t)st.st_size;
}

static struct stat make_file(const char *name)
{
	char path[128];
	_cleanup_close_
	int fd = open(path_of(name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || write(fd, OLD, strlen(OLD)) < 0 || fstat(fd, &st) < 0)
		abort();
	return st;
}

/* Once: a place for files, and a log that nobody reads. */
static void begin(void)
{
	const char *tmp = getenv("TMPDIR");
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	snprintf(directory, sizeof(directory), "%s/fuzzXXXXXX",
		tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	if (!mkdtemp(directory) || null < 0 || dup2(null, STDERR_FILENO) < 0)
		abort();
	log_init("fuzz");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	atexit(remove_all);
	make_file("b");
}

static void set_up(struct hold *kept)
{
	static const struct pump_owner owner = {.find = find, .account = account};
	static const struct spec_log log = {.rotation = {.max_size_bytes = 65536, .keep = 2},
		.timestamps = SPEC_TIMESTAMPS_ISO};
	static const struct spec_target target = {.sink = SPEC_SINK_FILE};
	char path[128];

	if (loop_init(&all.loop) < 0)
		abort();
	sink_set_init(&all.sinks, &all.loop, directory, 2, STDOUT_FILENO);
	if (pump_set_init(&all.pumps, &all.loop, ended) < 0 ||
		pump_set_hold(&all.pumps, dup(kept->read_fd), dup(kept->write_fd), room, &all.sinks,
			&owner) < 0 ||
		sink_init(&all.sink, &all.sinks, "a", &log, &target, path_of("a", path)) < 0 ||
		sink_init(&all.further, &all.sinks, "a", &log, &target, path_of("a-1", path)) < 0)
		abort();
	all.sink.next = &all.further;
	all.further.further = true;
	pump_init(&all.pump, &all.pumps, &all.sink, 0, 0);
}

static void tear_down(void)
{
	pump_stop(&all.pump);
	sink_fini(&all.sink);
	sink_fini(&all.further);
	pump_set_fini(&all.pumps);
	sink_set_fini(&all.sinks);
	loop_fini(&all.loop);
}

static void go_on(struct hold *kept)
{
	struct intent i;

	set_up(kept);
	pump_set_redo(&all.pumps);
	tear_down();
	/* Nonsense stays until there is something to note. */
	if (hold_count(kept) != 0 || (intent_load(room_bytes, &i) == 0 && i.phase != INTENT_IDLE))
		abort();
	check_file("b", OLD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hold kept = HOLD_INIT;
	struct intent i = {.phase = INTENT_IDLE};
	struct stat st;
	size_t n, written;
	uint8_t how = size > 0 ? data[0] : 0;

	if (!directory[0])
		begin();
	st = make_file("a");
	make_file("a-1");
	data += size > 0;
	size -= size > 0;
	n = MIN_OF(size, sizeof(i));
	if (n > 0)
		memcpy(&i, data, n);
	if (how & OF_THE_FILE) {
		i.device = st.st_dev;
		i.inode = st.st_ino;
	}
	memset(room_bytes, 0, sizeof(room_bytes));
	intent_commit(room_bytes, &i);
	if (hold_init(&kept, -1, -1) < 0)
		abort();
	for (unsigned k = 0; k < (how & LARGER ? 16 : 1) && size > n; k++)
		if (write(kept.write_fd, data + n, MIN_OF(size - n, (size_t)MAX_HELD)) < 0)
			break;
	go_on(&kept);
	written = check_file("a", NULL) + check_file("a-1", NULL);
	go_on(&kept);
	if (written != check_file("a", NULL) + check_file("a-1", NULL))
		abort();
	hold_fini(&kept);
	return 0;
}
