"""The inside of a PJSIP phone: commands come on stdin and events leave on stdout, one JSON a line.

Run by .venv-phone's Python as its own process, with the name of PJSIP's log file as argument;
phone.py is its outside. It is set as MicroSIP sets PJSIP: user agent, realm `*`, a random UDP port,
no rewriting of Contact, a CRLF every 15 s.
"""

import json
import os
import select
import sys
from typing import Any

import pjsua2 as pj

USER_AGENT = "MicroSIP/3.22.3"
LISTEN_MS = 10  # how long PJSIP waits for the network before the next look at stdin


def tell(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


class Account(pj.Account):
    """Tells of each answer to a REGISTER: the final one, after digest and its retries."""

    def onRegStarted(self, prm: pj.OnRegStartedParam) -> None:
        tell("registering", renew=bool(prm.renew))

    def onRegState(self, prm: pj.OnRegStateParam) -> None:
        tell(
            "registration",
            code=prm.code,
            reason=prm.reason,
            expires=prm.expiration,
            status=prm.status,
            active=self.getInfo().regIsActive,
        )


def account_config(command: dict[str, Any]) -> pj.AccountConfig:
    """MicroSIP's account for the values that a user types into it, and its intervals."""
    config = pj.AccountConfig()
    config.idUri = f"sip:{command['username']}@{command['domain']}"
    config.regConfig.registrarUri = f"sip:{command['server']}"
    config.regConfig.timeoutSec = command["expires"]
    config.regConfig.retryIntervalSec = command["retry"]
    config.regConfig.delayBeforeRefreshSec = command["margin"]
    config.sipConfig.authCreds.append(
        pj.AuthCredInfo("Digest", "*", command["username"], 0, command["password"])
    )
    config.natConfig.contactRewriteUse = 0
    config.natConfig.viaRewriteUse = 0
    config.natConfig.sipOutboundUse = 1
    config.natConfig.udpKaIntervalSec = 15
    config.natConfig.udpKaData = "\r\n"
    return config


def start_endpoint(log: str) -> pj.Endpoint:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.userAgent = USER_AGENT
    config.uaConfig.threadCnt = 0  # this program's one loop is the only thread
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = 4
    config.logConfig.consoleLevel = 0  # stdout is for events alone
    config.logConfig.filename = log
    endpoint.libInit(config)
    transport = pj.TransportConfig()
    transport.port = 0
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    return endpoint


def main(log: str) -> None:
    endpoint = start_endpoint(log)
    account: Account | None = None
    tell("ready")
    waiting = b""
    is_open = True
    while is_open:
        endpoint.libHandleEvents(LISTEN_MS)
        if not select.select([0], [], [], 0)[0]:
            continue
        data = os.read(0, 65536)
        is_open = bool(data)
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            match command.pop("command"):
                case "register":  # also with another password: MicroSIP makes its account anew
                    if account is not None:
                        account.shutdown()
                    account = Account()
                    account.create(account_config(command))
                case "refresh" if account is not None:
                    account.setRegistration(True)
                case "unregister" if account is not None:
                    account.setRegistration(False)
                case "quit":
                    is_open = False
                case other:
                    tell("error", text=f"{other}: not now")
    if account is not None:
        account.shutdown()
    endpoint.libDestroy()
    tell("gone")


if __name__ == "__main__":
    main(sys.argv[1])
