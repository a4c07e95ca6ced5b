#pragma once
/* The script floor's commands of the control channel. */
#include "module/module.h"

extern const struct mod_command script_commands[];

/* sht_command.c */
enum err cmd_tables(struct arena *a, struct str params, struct str *result);
enum err cmd_table_list(struct arena *a, struct str params, struct str *result);
enum err cmd_table_set(struct arena *a, struct str params, struct str *result);
enum err cmd_table_remove(struct arena *a, struct str params, struct str *result);
enum err cmd_table_load(struct arena *a, struct str params, struct str *result);
/* trail_command.c */
enum err cmd_why(struct arena *a, struct str params, struct str *result);
enum err cmd_calls(struct arena *a, struct str params, struct str *result);
enum err cmd_traces(struct arena *a, struct str params, struct str *result);
enum err cmd_trace_start(struct arena *a, struct str params, struct str *result);
enum err cmd_trace_stop(struct arena *a, struct str params, struct str *result);
enum err cmd_trace_read(struct arena *a, struct str params, struct str *result);
