#pragma once
/* Intrusive doubly linked ring. Plain pointers: shared memory is mapped at one address in every
 * process, so the same list works private and shared (under its owner's lock). */
#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_append(struct list *l, struct list *node)
{
	node->next = l;
	node->prev = l->prev;
	l->prev->next = node;
	l->prev = node;
}

static inline void list_prepend(struct list *l, struct list *node)
{
	list_append(l->next, node);
}

/* Unlink and leave `node` an empty ring of itself, so that unlinking twice is harmless. */
static inline void list_remove(struct list *node)
{
	node->next->prev = node->prev;
	node->prev->next = node->next;
	list_init(node);
}

/* Move all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define CONTAINER(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define LIST_FIRST(l, type, member) CONTAINER((l)->next, type, member)
/* The body may not remove `var`; LIST_EACH_SAFE's may. */
#define LIST_EACH(type, var, l, member)                                                     \
	for (type *var = CONTAINER((l)->next, type, member); &var->member != (l);           \
	     var = CONTAINER(var->member.next, type, member))
#define LIST_EACH_SAFE(type, var, l, member)                                                \
	for (type *var = CONTAINER((l)->next, type, member),                                \
		  *var##_next = CONTAINER(var->member.next, type, member);                  \
	     &var->member != (l);                                                           \
	     var = var##_next, var##_next = CONTAINER(var->member.next, type, member))
