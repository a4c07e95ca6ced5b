#pragma once
/* `sipario lsp`: a language server for editors. */
#include <stdio.h>

/* Until the editor says exit, or the input ends. The exit status: 0 when it had said shutdown before, 1 when not. */
int lsp_serve(FILE *in, FILE *out);
