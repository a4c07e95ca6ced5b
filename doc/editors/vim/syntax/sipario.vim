" Vim syntax file
" Language: Sipario's routing language. Written by `make doc`, not by hand.
if exists("b:current_syntax")
  finish
endif
let s:cpo_save = &cpo
set cpo&vim

syn keyword siparioDeclaration branch_route dialog_route event_route reply_route request_route route timer_route const given include module table
syn keyword siparioStatement break continue drop else exit for if let parallel return spawn while every in
syn keyword siparioTest contained after aliases and at binding body by contact counter dialog display_name do_not_disturb domain expect expires fail for
syn keyword siparioTest contained forward_always forward_busy forward_no_answer forward_offline from header host in level log next no nothing over party
syn keyword siparioTest contained password path permissions q reason reply request restore ring_time ruri send source sql status time to type uri user
syn keyword siparioTest contained username voicemail wait with within
syn keyword siparioConstant false null true on off
syn keyword siparioSetting advertise algorithms alias avoid_for branch_timeout buckets cache_lifetime cache_size check_from check_to control
syn keyword siparioSetting database default_expires dialog_seal dns_servers dns_timeout dns_tries domain domains_refresh durable grace group listen
syn keyword siparioSetting log_level log_rate lost_connection max_calls max_contacts max_duration max_expires max_recursions max_steps max_waiting
syn keyword siparioSetting md5_only memory_limit min_expires nonce_expire path_unasked proxy_protocol_from queue_limit recurse refresh refused
syn keyword siparioSetting replay_window require_qop ring ring_time secret service_route spool spool_limit stop_timeout sync_interval t1 t2 t4
syn keyword siparioSetting tcp_connect_timeout tcp_idle tcp_max_connections tcp_max_message tcp_max_per_source tcp_message_timeout tcp_write_queue
syn keyword siparioSetting timer_c trail unknown_lifetime user workers
syn keyword siparioType bool int string duration size ip cidr uri regex list record any

syn region siparioTestBlock transparent matchgroup=siparioDeclaration start=+^test\>+ matchgroup=NONE end=+^}+ contains=ALLBUT,siparioEscape,siparioInterpolation,siparioTodo
syn match siparioFunction "\<\%(abs\|add_branch\|add_path\|append_hf\|authenticate\|base64_decode\|base64_encode\|call_class\|calls_of\|cdr_off\|count\|count_call\|counter\|date\|forward\|has_body\|has_totag\|hash\|hex_decode\|hex_encode\|hmac\|insert_hf\|is_local\|is_method\|is_present_hf\|json_read\|json_write\|log\|lookup\|max\|md5\|min\|nat_uac_test\|now\|profile\|random\|record\|record_route\|redirect\|relay\|remove_hf\|save\|send_reply\|sha1\|sha256\|sha512\|sleep\|subst\|time_in\|trusted_peer\|type\|uncount_call\|uri\|url_decode\|url_encode\|weekday\|xlog\)\ze\s*("
syn match siparioMethod "\.\zs\h\w*\ze\s*("
syn match siparioVariable "\$\%(Ri\|Rp\|au\|avp\|body\|ci\|cs\|ct\|du\|event\|fU\|fd\|ft\|fu\|hdr\|proto\|rU\|rd\|rm\|rp\|rr\|rs\|ru\|sdp\|sht\|si\|sp\|tU\|td\|tt\|tu\|ua\)\>" contained containedin=siparioString
syn match siparioVariable "\$\%(Ri\|Rp\|au\|avp\|body\|ci\|cs\|ct\|du\|event\|fU\|fd\|ft\|fu\|hdr\|proto\|rU\|rd\|rm\|rp\|rr\|rs\|ru\|sdp\|sht\|si\|sp\|tU\|td\|tt\|tu\|ua\)\>"
syn match siparioNumber "\<\d\+\%(\%(ms\|[smhd]\)\%(\d\+\%(ms\|[smhd]\)\)*\|B\|kB\|MB\|GB\|TB\)\?\>"
syn match siparioAddress "\<\d\+\.\d\+\.\d\+\.\d\+\%(/\d\+\)\?\>"
syn match siparioRegex "[~,(]\s*\zs/\%(\\.\|[^/\\]\)\+/[ismx]*"
syn match siparioEscape "\\." contained
syn region siparioParentheses transparent start="(" end=")" contained contains=ALLBUT,siparioTest,siparioEscape,siparioInterpolation,siparioTodo
syn region siparioInterpolation matchgroup=siparioInterpolation start="\$(" end=")" contained contains=ALLBUT,siparioTest,siparioEscape,siparioInterpolation,siparioTodo
syn region siparioString start=+"+ skip=+\\.+ end=+"+ oneline contains=siparioEscape,siparioInterpolation,siparioVariable
syn region siparioString start=+'+ skip=+\\.+ end=+'+ oneline
syn match siparioComment "#.*$" contains=siparioTodo,@Spell
syn region siparioComment start="/\*" end="\*/" contains=siparioTodo,@Spell
syn keyword siparioTodo TODO FIXME XXX contained

hi def link siparioDeclaration Structure
hi def link siparioStatement Statement
hi def link siparioTest Keyword
hi def link siparioConstant Constant
hi def link siparioSetting Identifier
hi def link siparioType Type
hi def link siparioFunction Function
hi def link siparioMethod Function
hi def link siparioVariable Identifier
hi def link siparioNumber Number
hi def link siparioAddress Number
hi def link siparioRegex Special
hi def link siparioEscape SpecialChar
hi def link siparioString String
hi def link siparioComment Comment
hi def link siparioTodo Todo

let b:current_syntax = "sipario"
let &cpo = s:cpo_save
unlet s:cpo_save
