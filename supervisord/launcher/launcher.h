/*
 * The launcher: the process that users see. Forks, reaps, keeps descriptors, and keeps
 * an engine running. See README.md for how its files divide that.
 */
#pragma once

struct launcher_options {
	char *const *argv; /* of the program; all but the first go on to the engine */
	/* Where to find the engine if not beside the program: */
	const char *engine_near; /* from the program's directory, or "" */
	const char *engine_path; /* else there */
};

/* Runs until the engine says with which status to end, and returns that. Call once. */
int launcher_run(const struct launcher_options *options);
