/*
 * Bytes as a configuration file; with a NUL before them, as kept sources. Nothing is
 * opened or looked up: both go the way that an engine goes which takes over.
 */
#include <stdint.h>
#include <stdlib.h>

#include "conf/load.h"
#include "conf/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct conf_context context = {.root = true, .home = "/root"};
	struct conf_sources *sources;
	struct conf_errors errors;
	struct spec *spec;
	int r;

	if (n > 0 && data[0] == '\0')
		r = conf_sources_read(data + 1, n - 1, &sources);
	else
		r = source_from_text("fuzz.conf", (const char *)data, n, &sources);
	if (r < 0)
		return 0;
	if (conf_parse(sources, &context, &spec, &errors) == 0)
		spec_free(spec);
	else if (errors.n == 0 && !errors.truncated)
		abort(); /* refused without a word */
	conf_errors_fini(&errors);
	conf_sources_free(sources);
	return 0;
}
