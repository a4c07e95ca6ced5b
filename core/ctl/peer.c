/* Peers that need no password, by where their requests come from. */
#include "ctl/ctl.h"

#define NO_PEER "no peer $1: `siparioctl peer list` shows those there are"

static const struct ctl_edit
peer_add = {
	.takes = "nwt", .keys = "network,name,help", .sql = "INSERT INTO trusted_peers (network, name, help) VALUES ($1, $2, $3) RETURNING name",
	.exists = "network $1 is a peer already: `siparioctl peer list` shows it", .said = "whoever calls from $1 is trusted as $2",
},
peer_remove = {
	.takes = "n", .keys = "network", .sql = "DELETE FROM trusted_peers WHERE network = $1 RETURNING name", .none = NO_PEER, .said = "peer $1 removed",
},
peer_enable = {
	.takes = "n", .keys = "network", .sql = "UPDATE trusted_peers SET status = 'active' WHERE network = $1 RETURNING name", .none = NO_PEER,
	.said = "peer $1 is trusted",
},
peer_disable = {
	.takes = "n", .keys = "network", .sql = "UPDATE trusted_peers SET status = 'disabled' WHERE network = $1 RETURNING name", .none = NO_PEER,
	.said = "peer $1 is not trusted until `siparioctl peer enable $1`",
};

static const struct ctl_list peer_list = {
	.all = "SELECT CAST(network AS text) AS net, name, status, help FROM trusted_peers ORDER BY name, net",
	.keys = (const char *const[]){ "network", "name", "status", "help" },
};

const struct ctl_command ctl_peer_commands[] = {
	{ "peer", "add", "NETWORK NAME [HELP]", "who calls from there (192.0.2.0/24) needs no password", OPT_FORCE, ctl_edit, &peer_add },
	{ "peer", "remove", "NETWORK", "forget a peer", 0, ctl_edit, &peer_remove },
	{ "peer", "enable", "NETWORK", "trust it again", 0, ctl_edit, &peer_enable },
	{ "peer", "disable", "NETWORK", "keep it, but trust it no more", 0, ctl_edit, &peer_disable },
	{ "peer", "list", "", "all peers", 0, ctl_list, &peer_list },
	{ 0 }
};
