/*
 * What is asked of supctl most often, by people, prompts and scripts: `status`, as a table, from
 * the board. It needs nothing but libc, and so most of its time is not spent on loading what the
 * other verbs need.
 */
#pragma once

/*
 * The exit status, or -1 where nothing was written yet: the verbs have to be asked, which
 * understand whatever the command line says, and ask the engine where the board doesn't do.
 */
int quick_status(int argc, char **argv);
