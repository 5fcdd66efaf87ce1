/* The module: all that ctl_run() needs, and what supctl finds it by. */
#include "ctl/module.h"

#include "ctl/ctl.h"

__attribute__((visibility("default"))) int module_run(int argc, char **argv) __asm__(
	MODULE_RUN_NAME);

int module_run(int argc, char **argv)
{
	return ctl_run(argc, argv, stdout, stderr);
}
