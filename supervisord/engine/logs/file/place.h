/*
 * The directory of a log file, so that what is done there is done in that very directory,
 * whatever others make of the path.
 */
#pragma once

/*
 * Opens the directory of path, which is absolute, with O_PATH; *ret_name is the file's name, in
 * path. What is missing of log_dir and below it is made; log_dir may be NULL. -errno, or:
 */
int place_open(const char *path, const char *log_dir, const char **ret_name);

#define PLACE_SHARED (-EBADE) /* others may write to a directory on the way */
#define PLACE_LINK   (-EBADR) /* so may they to a link on the way; or it is below log_dir */
