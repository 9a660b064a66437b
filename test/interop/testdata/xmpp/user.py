"""One XMPP user, driven by JSON lines.

    user.py JID PASSWORD HOST PORT CAFILE

Reads commands from standard input, one object in a line:

    {"do": "message", "to": JID, "id": ID, "body": TEXT, "type": "chat"}
    {"do": "presence", "to": JID, "id": ID, "type": "subscribe"}
    {"do": "ping" | "version" | "disco", "to": JID, "id": ID}
    {"do": "join", "room": JID, "nick": NICK}
    {"do": "unlock", "to": ROOM, "id": ID}
    {"do": "raw", "xml": STANZA}

Writes what happens to standard output: {"event": "online", "jid": ...},
{"event": "failed", "text": ...}, {"event": "offline"}, and one
{"event": "stanza", ...} for everything that arrives. Ends at the end of its
input.
"""
import asyncio
import json
import logging
import sys

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

QUERIES = {
    "ping": "<ping xmlns='urn:xmpp:ping'/>",
    "version": "<query xmlns='jabber:iq:version'/>",
    "disco": "<query xmlns='http://jabber.org/protocol/disco#info'/>",
}

# The owner of a new room takes its settings as they are (XEP-0045 10.1.2).
UNLOCK = ("<iq type='set' id='%s' to='%s'><query xmlns='http://jabber.org/protocol/muc#owner'>"
          "<x xmlns='jabber:x:data' type='submit'/></query></iq>")


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class User(slixmpp.ClientXMPP):
    def __init__(self, jid, password, cafile):
        super().__init__(jid, password)
        self.ca_certs = cafile
        # The test answers subscriptions itself.
        self.roster.auto_authorize = None
        self.roster.auto_subscribe = None
        self.client_roster.auto_authorize = None
        self.client_roster.auto_subscribe = None
        for plugin in ("xep_0030", "xep_0045", "xep_0092", "xep_0199"):
            self.register_plugin(plugin)
        for kind in ("message", "presence", "iq"):
            xpath = MatchXPath("{%s}%s" % (self.default_ns, kind))
            self.register_handler(Callback("report " + kind, xpath, self.report))
        self.add_event_handler("session_start", self.started)
        for event in ("failed_auth", "connection_failed", "ssl_invalid_chain"):
            self.add_event_handler(event, lambda why, event=event: tell("failed", text="%s: %s" % (event, why)))
        self.add_event_handler("disconnected", lambda _: tell("offline"))

    async def started(self, _):
        self.send_presence()
        await self.get_roster()
        tell("online", jid=self.boundjid.full)

    def report(self, stanza):
        error, text = "", ""
        if stanza["type"] == "error":
            error = stanza["error"]["type"] + " " + stanza["error"]["condition"]
            text = stanza["error"]["text"]
        tell("stanza", kind=stanza.name, type=stanza.xml.get("type", ""), id=stanza["id"],
             to=str(stanza["to"]), **{"from": str(stanza["from"])}, error=error, text=text,
             body=stanza["body"] if stanza.name == "message" else "", xml=str(stanza))

    def obey(self, command):
        do = command["do"]
        if do == "message":
            m = self.make_message(command["to"], command["body"], mtype=command["type"])
            m["id"] = command["id"]
            m.send()
        elif do == "presence":
            p = self.make_presence(pto=command.get("to"), ptype=command["type"] or None)
            p["id"] = command["id"]
            p.send()
        elif do == "join":
            self.plugin["xep_0045"].join_muc(command["room"], command["nick"])
        elif do == "unlock":
            self.send_raw(UNLOCK % (command["id"], command["to"]))
        elif do == "raw":
            self.send_raw(command["xml"])
        else:
            self.send_raw("<iq type='get' id='%s' to='%s'>%s</iq>" % (command["id"], command["to"], QUERIES[do]))


async def main(jid, password, host, port, cafile):
    user = User(jid, password, cafile)
    user.connect(address=(host, int(port)))
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        user.obey(json.loads(line))
    user.abort()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(main(*sys.argv[1:]))
