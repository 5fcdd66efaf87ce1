/*
 * Who runs us. Only the effective uid and five variables of the environment matter, and
 * they are read here alone, so that everything else in this room is a function of its
 * arguments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/load.h"

void conf_context_init(struct conf_context *ret_context)
{
	*ret_context = (struct conf_context){
		.root = geteuid() == 0,
		.home = getenv("HOME"),
		.xdg_config_home = getenv("XDG_CONFIG_HOME"),
		.xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
		.xdg_state_home = getenv("XDG_STATE_HOME"),
	};
}

char *conf_default_path(const struct conf_context *context)
{
	const char *directory = context->xdg_config_home;
	char *path;
	int r;

	if (context->root)
		return strdup("/etc/supervisord/supervisord.conf");
	if (directory && directory[0] == '/')
		r = asprintf(&path, "%s/supervisord/supervisord.conf", directory);
	else if (context->home && context->home[0] == '/')
		r = asprintf(&path, "%s/.config/supervisord/supervisord.conf", context->home);
	else
		return NULL;
	return r < 0 ? NULL : path;
}
