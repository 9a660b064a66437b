package admin

// FromHere guards a page that is for the operators of this host.
var FromHere = fromHere
