au BufRead,BufNewFile */sipario*.cfg,*/sipario/*.cfg,*.sipario setfiletype sipario
