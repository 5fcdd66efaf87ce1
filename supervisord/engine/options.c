/*
 * A handful of options, by getopt_long().
 */
#include "engine/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

const char options_help[] =
	"Usage: supervisord [-c FILE] [--check]\n"
	"Runs services and looks after them, in the foreground; control it with supctl.\n"
	"\n"
	"  -c, --config FILE  configuration; otherwise /etc/supervisord/supervisord.conf, or for "
	"an\n"
	"                     ordinary user ~/.config/supervisord/supervisord.conf\n"
	"      --check        only check the configuration: exit status 0, or 2 if it is wrong\n"
	"  -h, --help         this text\n"
	"      --version      the version\n";

int options_parse(struct options *ret_options, int argc, char **argv)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	struct options o = {0};
	static char name[] = "supervisord";
	int c;

	if (argc > 0)
		argv[0] = name; /* messages name the program that the user has called */
	while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.config = optarg;
			break;
		case 'k':
			o.check = true;
			break;
		case 'h':
			o.help = true;
			break;
		case 'v':
			o.version = true;
			break;
		default:
			fprintf(stderr, "Try 'supervisord --help'.\n");
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr,
			"supervisord: unexpected argument '%s'; a configuration is given by -c\n"
			"Try 'supervisord --help'.\n",
			argv[optind]);
		return -EINVAL;
	}
	*ret_options = o;
	return 0;
}
