#pragma once
/* Events of modules and of the core: module.h declares what they are, event_raise() is the modules'. A run of event_route[module:event] begins in the
 * next turn of the loop of the worker where it was raised, or, where that was no worker, of the first one. */
#include "script/check.h"

/* Those of the core that have fields; core:start and core:stop are background.c's. */
extern struct mod_event *const core_events[];
extern struct mod_event event_reload, event_timeout;
/* The event of that name among those of the modules; NULL: none. `at` as in check_env. */
const struct mod_event *event_find(const struct module *(*at)(size_t i), struct str name);
/* Which events some route of that program listens to, in this process. */
void events_heard(const struct program *p);
