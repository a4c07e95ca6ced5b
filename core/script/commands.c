#include "script/commands.h"

const struct mod_command script_commands[] = {
	{ "tables", cmd_tables, "the tables of the script" },
	{ "table_list", cmd_table_list, "entries of {\"table\"}, from chain {\"from\"} on, or of one {\"key\"}" },
	{ "table_set", cmd_table_set, "{\"table\", \"key\", \"value\"}: texts" },
	{ "table_remove", cmd_table_remove, "{\"table\", \"key\"}" },
	{ "table_load", cmd_table_load, "load {\"table\"} from the database again; the log says when it is done" },
	{ "why", cmd_why, "what happened to the call {\"call_id\"}" },
	{ "calls", cmd_calls, "calls and requests of late that `why` can explain" },
	{ "traces", cmd_traces, "which calls are traced now" },
	{ "trace_start", cmd_trace_start, "trace the calls of {\"user\", \"number\", \"source\", \"call_id\"} {\"for_ms\"} long" },
	{ "trace_stop", cmd_trace_stop, "{\"trace\"}" },
	{ "trace_read", cmd_trace_read, "events of {\"trace\"} from {\"from\"} on, which is the \"next\" of the answer before" },
	{ 0 },
};
