/*
 * Essential services: the first that ends for good ends supervisord, which exits with its
 * code. That it does is the core's decision; here it is carried out and remembered.
 */
#pragma once

struct engine;

/* engine_perform(), after noting first what an essential service's end asks for. */
void essential_perform(struct engine *e);

/* What supervisord is to exit with: 0, or what an essential service's end stands for. */
int essential_exit_status(const struct engine *e);
