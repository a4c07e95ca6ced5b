au BufRead,BufNewFile */sipario*.cfg,*/sipario/*.cfg,*.sipario set filetype=sipario
