/* Members of JSON objects, for tables: apart from tables, which not only JSON becomes. */
#include "ctl/output/render_json.h"

const char *render_string(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int64_t render_integer(json_t *object, const char *key, int64_t otherwise)
{
	json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}
