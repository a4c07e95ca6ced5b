#pragma once
/* What reader.c and changes.c offer to sqlite.c. */
#include "db/driver.h"

enum err reader_start(struct loop *l, const char *path, enum db_mode mode);
void     reader_stop(void);
enum err reader_query(const struct db_stmt *st, const struct db_value *params, db_done *done, void *arg);
size_t   reader_waiting(void);

enum err changes_start(struct loop *l, const char *path);
void     changes_stop(void);
