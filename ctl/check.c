/*
 * check: a configuration file, read here and not by a supervisord.
 *
 * What is right depends on who will run it: only root's may name users, and default
 * directories differ. So one's own file is checked for oneself, and that of anybody else
 * for root, which refuses nothing for lack of privilege.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/load.h"
#include "ctl/ctl.h"
#include "ctl/output/text.h"
#include "ctl/verbs.h"

/* As supervisord counts them: instances. */
static size_t count_services(const struct spec *spec)
{
	size_t n = 0;

	for (size_t i = 0; i < spec->n_services; i++)
		n += spec->services[i].n_instances;
	return n;
}

/* JSON is UTF-8; the name of a file need not be. */
static json_t *to_json(const char *text)
{
	_cleanup_buf_ struct buf valid = {0};

	if (text_append_utf8(&valid, text, strlen(text)) < 0)
		return NULL;
	return json_stringn(valid.data ? valid.data : "", valid.len);
}

static int tell_json(struct ctl *ctl, const char *path, const struct spec *spec,
	const struct conf_errors *errors)
{
	json_t *list = json_array();

	for (size_t i = 0; i < errors->n; i++)
		json_array_append_new(list, to_json(errors->messages[i]));
	if (errors->truncated)
		json_array_append_new(list, json_string("there are more errors"));
	return ctl_write_json(
		ctl, json_pack("{s:o,s:o,s:o}", "file", to_json(path), "services",
			     spec ? json_integer((json_int_t)count_services(spec)) : json_null(),
			     "errors", list));
}

static void tell(struct ctl *ctl, const char *path, const struct spec *spec,
	const struct conf_errors *errors)
{
	_cleanup_buf_ struct buf line = {0};
	size_t n;

	for (size_t i = 0; i < errors->n; i++)
		ctl_tell(ctl, errors->messages[i]);
	if (errors->truncated)
		ctl_error(ctl, "%s: there are more errors", path);
	if (!spec)
		return;
	n = count_services(spec);
	if (text_append_safe(&line, path, strlen(path), term_text_flags(&ctl->term)) < 0 ||
		buf_printf(&line, ": %zu service%s, no errors\n", n, n == 1 ? "" : "s") < 0)
		ctl_error(ctl, "out of memory");
	ctl_write(ctl, &line);
}

int verb_check(struct ctl *ctl)
{
	const char *path = ctl->args[0];
	struct conf_context context;
	struct conf_errors errors;
	struct spec *spec = NULL;
	struct stat st;
	int r;

	conf_context_init(&context);
	context.root = context.root || (stat(path, &st) == 0 && st.st_uid != geteuid());
	r = conf_load(path, &context, NULL, &spec, &errors);
	if (r < 0 && errors.n == 0)
		ctl_error(ctl, "cannot read %s: %s", path, strerror(-r));
	else if (!ctl->json)
		tell(ctl, path, spec, &errors);
	else if (tell_json(ctl, path, spec, &errors) < 0)
		r = -ENOMEM;
	conf_errors_fini(&errors);
	spec_free(spec);
	return r < 0 ? CTL_FAILED : CTL_DONE;
}
