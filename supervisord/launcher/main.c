/* The program "supervisord". All of it is in launcher.c, so that tests can link it. */
#include "launcher/launcher.h"

int main(int argc, char *argv[])
{
	struct launcher_options options = {
		.argv = argv, .engine_near = ENGINE_NEAR, .engine_path = ENGINE_PATH};

	(void)argc;
	return launcher_run(&options);
}
