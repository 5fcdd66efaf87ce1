/*
 * Where output goes, as one text: a path, a word, or a word with an address behind it. What begins
 * like none of these is a path, so a file called "journal" is to be written "./journal".
 */
#include "conf/keys/service/target.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "conf/keys/service/making.h"
#include "conf/values/address.h"

#define JSON "json:"

static const char allowed[] =
	"allowed: a path, json:PATH, none, inherit, journal, journal:SOCKET, syslog, "
	"syslog:unix:PATH, syslog:udp:ADDRESS:PORT, syslog:tcp:ADDRESS:PORT";

static const char *check_internet(const char *text)
{
	struct address a;

	/* localhost can be either of two, and a datagram doesn't tell which one listens */
	if (address_parse_tcp(text, &a) || a.family == AF_UNSPEC)
		return "is no numeric address with a port; allowed: such as 192.0.2.1:514, "
		       "[2001:db8::1]:514 (names are not looked up, as that may block)";
	return NULL;
}

static const char *check_syslog(const char *text)
{
	const char *rest = strchr(text, ':');
	size_t n = rest ? (size_t)(rest - text) : 0;

	if (n == 4 && strncmp(text, "unix", n) == 0)
		return address_check_unix(rest + 1);
	if (n == 3 && (strncmp(text, "udp", n) == 0 || strncmp(text, "tcp", n) == 0))
		return check_internet(rest + 1);
	return "is not allowed; allowed: unix:PATH, udp:ADDRESS:PORT, tcp:ADDRESS:PORT";
}

static const struct word {
	const char *text;
	enum spec_sink sink;
	const char *address; /* where the word stands alone */
	const char *(*check)(const char *address); /* NULL: it has none */
} words[] = {
	{"none", SPEC_SINK_NONE, NULL, NULL},
	{"inherit", SPEC_SINK_INHERIT, NULL, NULL},
	{"journal", SPEC_SINK_JOURNAL, "/run/systemd/journal/socket", address_check_unix},
	{"syslog", SPEC_SINK_SYSLOG, "unix:/dev/log", check_syslog},
};

/* The word that a text is or begins with; *ret_address: what stands behind its colon, or NULL. */
static const struct word *find_word(const char *text, const char **ret_address)
{
	for (size_t i = 0; i < ELEMENTSOF(words); i++) {
		size_t n = strlen(words[i].text);

		if (strncmp(text, words[i].text, n) != 0)
			continue;
		*ret_address = text[n] == ':' ? text + n + 1 : NULL;
		if (text[n] == '\0' || (words[i].check && *ret_address))
			return &words[i];
	}
	return NULL;
}

static int keep(const char *address, struct spec_target *t, struct spec_target *ret_target)
{
	t->address = address ? strdup(address) : NULL;
	if (address && !t->address)
		return -ENOMEM;
	*ret_target = *t;
	return 0;
}

/* Is it FILE.2026-11-23T06-36-53.123Z, or that and .gz, as rotated files are called? */
static bool is_rotated_name(const char *path)
{
	static const char form[] = ".0000-00-00T00-00-00.000Z";

	for (const char *p = strchr(path, '.'); p; p = strchr(p + 1, '.')) {
		size_t i = 0;

		while (form[i] != '\0' &&
			(form[i] == '0' ? p[i] >= '0' && p[i] <= '9' : p[i] == form[i]))
			i++;
		if (form[i] == '\0' && (p[i] == '\0' || (p[i] == '.' && !strchr(p + i, '/'))))
			return true;
	}
	return false;
}

/* What other supervisors take for a file, and what is to be written here instead; NULL: it is one.
 */
static const char *word_instead(const char *path)
{
	static const char *const all[][2] = {
		{"/dev/null", "none"},
		{"/dev/stdout", "inherit"},
		{"/dev/stderr", "inherit"},
	};

	for (size_t i = 0; i < ELEMENTSOF(all); i++) {
		if (strcmp(path, all[i][0]) == 0)
			return all[i][1];
	}
	return NULL;
}

static int parse_file(
	struct making *m, const struct value *v, const char *text, struct spec_target *ret_target)
{
	struct spec_target t = {.sink = SPEC_SINK_FILE};
	const char *address;
	size_t n;

	if (strncmp(text, JSON, strlen(JSON)) == 0) {
		text += strlen(JSON);
		t.format = SPEC_FORMAT_JSON;
		t.has_format = true;
		if (find_word(text, &address)) {
			value_error(m->b->errors, v,
				"'" JSON "%.80s' is not allowed; allowed: " JSON
				"PATH, or log.format = json along with inherit",
				text);
			return -EINVAL;
		}
	}
	n = strlen(text);
	if (n == 0 || n >= PATH_MAX || text[n - 1] == '/') {
		value_error(m->b->errors, v, "'%.80s' names no file; %s", text, allowed);
		return -EINVAL;
	}
	if (word_instead(text)) {
		value_error(m->b->errors, v, "'%s' is no regular file; write \"%s\" instead", text,
			word_instead(text));
		return -EINVAL;
	}
	if (is_rotated_name(text)) {
		value_error(m->b->errors, v,
			"'%.120s' is the name of a rotated file, which the log before it would "
			"remove; allowed: one that does not end with a time",
			text);
		return -EINVAL;
	}
	return keep(text, &t, ret_target);
}

int target_parse(
	struct making *m, const struct value *v, const char *text, struct spec_target *ret_target)
{
	const char *address;
	const struct word *word = find_word(text, &address);
	struct spec_target t = {0};

	if (!word)
		return parse_file(m, v, text, ret_target);
	if (address) {
		int r = making_check_text(m, v, address, word->check);

		if (r < 0)
			return r;
	}
	t.sink = word->sink;
	return keep(address ? address : word->address, &t, ret_target);
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool target_is_same(const struct spec_target *a, const struct spec_target *b)
{
	return a->sink == b->sink && is_same_text(a->address, b->address) &&
	       a->has_format == b->has_format && (!a->has_format || a->format == b->format);
}

int target_write(const struct spec_target *t, struct buf *out)
{
	if (t->sink == SPEC_SINK_FILE)
		return buf_printf(
			out, "%s%s", t->has_format ? JSON : "", t->address ? t->address : "");
	for (size_t i = 0; i < ELEMENTSOF(words); i++) {
		if (words[i].sink != t->sink)
			continue;
		if (is_same_text(t->address, words[i].address))
			return buf_printf(out, "%s", words[i].text);
		return buf_printf(out, "%s:%s", words[i].text, t->address);
	}
	return 0; /* SPEC_SINK_SERVICE, which is never written here */
}
