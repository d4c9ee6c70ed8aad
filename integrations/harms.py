"""What first line must not do, as a table of rules: a verb, what it must not be asked of, excuses.

The rules are in English, and read text in lower case, on one line, without marks of emphasis.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of harm.

    ``asks`` begins at the verb. ``unless`` and ``own`` are matched from there: the first says that
    it is harmless, the second that it is, done by those whose own it is.
    """

    what: str
    asks: re.Pattern[str]
    unless: re.Pattern[str] | None = None
    own: re.Pattern[str] | None = None


# Between a verb and its object stand at most so many words, none of which turns to something else.
_BETWEEN = (
    r"(?:,? (?!(?:from|in|on|via|through|using|with|at|by|for|to|into|that|which|whether|when|if|"
    r"before|after|because|about|how|why|is|was|are|were)\b)[\w'/&-]+){0,4}?,? "
)
# From a verb to what excuses it, without a word that begins something else.
_WITHIN = r"(?:(?!(?:and|or|then|but)\b)[\w'/&-]+,? ){0,8}?"
_SOME_WORDS = r"(?: [\w'-]+){0,4}?"
# What makes a verb's form a noun: "the share", "a format".
_NO_NOUN = r"(?<!\bthe )(?<!\ba )(?<!\ban )(?<!\bthis )(?<!\bfile )(?<!\bnetwork )(?<!\bdate )"
# An object in front of one of these is not the object.
_NO_PART = (
    r"(?! (?:icon|shortcut|cache|caches|cookie|cookies|picture|photo|name|notification|"
    r"notifications|sound|sounds|screen|lid|keyboard|light|lamp|page|tab|window|app|message|alert|"
    r"banner|popup|signature|cable|usage|label)s?\b)"
)


def _asking(verbs: str, objects: str, more: str = "") -> re.Pattern[str]:
    """A verb and, close behind it, an object: or the passive that says it must be done."""
    active = rf"{_NO_NOUN}\b(?:{verbs})\b{_BETWEEN}(?:{objects})\b{_NO_PART}"
    return re.compile(rf"{active}|{more}" if more else active)


_ERASED = (
    r"accounts?|mailbox(?:es)?|inbox(?:es)?|users?|user profiles?|windows profiles?|data|backups?|"
    r"back ?ups?|databases?|tables?|partitions?|volumes?|snapshots?|shadow copies|restore points?|"
    r"tenants?|sites?|servers?|virtual machines?|vms?|home (?:folder|directory|drive)|"
    r"system32|user files|all (?:the |of the |their |your |user )?(?:files|documents|e-?mails)|"
    r"everything|dns (?:zone|records?)|group polic(?:y|ies)|domain|certificates?|disks?|drives?"
)
_DEVICES = (
    r"disks?|drives?|ssds?|devices?|laptops?|computers?|pcs?|macs?|macbooks?|machines?|phones?|"
    r"iphones?|ipads?|tablets?|servers?|partitions?|volumes?|sd cards?|memory cards?|sticks?|"
    r"workstations?|systems?|everything|nas"
)
_PROTECTION = (
    r"mfa|2fa|multi-?(?: )?factor\w*|two[- ](?:factor|step)\w*|2-step\w*|"
    r"anti-?(?: )?(?:virus|malware)\w*|(?:windows )?defender|firewalls?|edr|xdr|"
    r"endpoint (?:protection|security|detection)|real-?time protection|tamper protection|"
    r"security (?:software|defaults|agent)|encryption|bitlocker|filevault|secure boot|uac|"
    r"user account control|conditional access|smartscreen|audit(?:ing| logs?| logging)|"
    r"certificate (?:validation|checks?|checking)|spam filter(?:ing)?|sentinelone|crowdstrike"
)
_OFF = (
    r"disabl(?:e|ing)|deactivat(?:e|ing)|turn(?:ing)? off|switch(?:ing)? off|shut(?:ting)? (?:off|"
    r"down)|remov(?:e|ing)|uninstall(?:ing)?|bypass(?:ing)?|circumvent(?:ing)?|stop(?:ping)?|"
    r"paus(?:e|ing)|suspend(?:ing)?|kill(?:ing)?|skip(?:ping)?|get(?:ting)? around|reset(?:ting)?"
)
_SECRETS = (
    r"passwords?|passphrases?|passcodes?|credentials?|pins?|log-?in details|"
    r"(?:one[- ]time|otp|verification|security|mfa|2fa|authenticat\w+|sms|login|access) codes?|"
    r"one[- ]time pass\w+|otps?|recovery (?:keys?|codes?)|private keys?|api keys?|secret keys?"
)
# What is told about a secret gives none away: "the password has expired", "a password reset link".
_NO_NEWS = (
    r"(?! (?:resets?|polic(?:y|ies)|changes?|managers?|expiry|expiration|rules?|requirements?|"
    r"reminder|hint|links?|has|have|had|is|was|are|were|will|must|expires?|expired|can|cannot|"
    r"could|should|needs?|may|prompts?|again|page|self-service|works?|does|ran|dialog|box|lock)\b)"
)
_WHOSE = r"(?:(?:the|their|his|her|your|a|an|its|any|admin|current|old|is|are) )*"
_RIGHTS = (
    r"admin(?:istrat\w+)?s? (?:rights?|privileges?|roles?|access|permissions?|groups?|accounts?)|"
    r"(?:domain|global|enterprise|schema|local|tenant) admin(?:istrator)?s?|"
    r"administrators group|full (?:control|access)|root (?:access|rights)|sudo\w*|superuser|"
    r"owner (?:role|rights)|elevated (?:rights|privileges|permissions)|privileges"
)
_SERVERS = (
    r"servers?|hypervisors?|hosts?|domain controllers?|san|nas|storage arrays?|core switch(?:es)?|"
    r"firewalls?|ups|database|clusters?|racks?|data cent(?:er|re)|virtual machines?|vms?"
)
_PEOPLE = (
    r"(?:user|caller|customer|colleague|manager|employee|client|person|director|boss|ceo|cfo|"
    r"coworker|co-worker|administrator|admin|technician)s?'s?|someone(?: else)?'s|"
    r"somebody(?: else)?'s|another \w+'s|other people's|\w+'s|their|his|her"
)
_MUST_BE = r"(?:should|must|shall|can|may|has to|have to|needs? to) (?:now |first |then )?be "
_HAVE_IT = r"(?:have|get) (?:\w+ ){1,4}?"

RULES = (
    Rule(
        "erase a device",
        _asking(
            r"wip(?:e|ing)|eras(?:e|ing)|(?:re)?format(?:ting)?|re-?imag(?:e|ing)|zero(?:ing)? out|"
            r"repartition(?:ing)?",
            rf"{_DEVICES}|[c-z]: drive",
            rf"\bformat [c-z]:|\bdiskpart\b|\bfdisk\b|\bmkfs\b|\bdd if=|\bcipher /w|"
            rf"\b(?:{_DEVICES}) (?:{_MUST_BE})?(?:wiped|erased|re-?formatted|reimaged)\b(?<=d)"
            rf"(?! by )|\b(?:{_HAVE_IT})(?:wiped|reformatted|reimaged)\b|"
            rf"\b(?:{_DEVICES}) {_MUST_BE}formatted\b|\bremote wipe\b",
        ),
        re.compile(rf"{_WITHIN}(?:cloth|tissue|dust|alcohol|lint|screen|glass|lens)\b"),
    ),
    Rule(
        "reset a device to how it left the factory",
        re.compile(
            r"\b(?:do |perform |carry out |run |try |start )?(?:an? |the )?"
            r"factory[- ](?:reset|restore|default|setting)\w*|"
            r"\b(?:reset|restore|return|set)(?:ting)?(?: [\w'-]+){0,5}? to "
            r"(?:the |its |their )?(?:factory|out[- ]of[- ]the[- ]box)\b|"
            r"\breset(?:ting)? (?:this|the|your) (?:pc|computer|mac|laptop)\b(?! (?:password|"
            r"name))|"
            r"\b(?:re-?install|clean[- ]install)(?:ing)? (?:a fresh copy of )?"
            r"(?:windows(?: 1[01])?|macos|the operating system|the os)(?=$|[.,;!?]| (?:on|from|"
            r"and|to)\b)|"
            r"\bclean install(?:ation)?\b|\bclear(?:ing)? the tpm\b"
        ),
    ),
    Rule(
        "delete what cannot be brought back",
        _asking(
            r"delet(?:e|ing)|remov(?:e|ing)|eras(?:e|ing)|destroy(?:ing)?|purg(?:e|ing)|"
            r"drop(?:ping)?|truncat(?:e|ing)|wip(?:e|ing)|overwrit(?:e|ing)",
            _ERASED,
            r"\b(?:accounts?|mailbox(?:es)?|users?|data|backups?|databases?) "
            rf"{_MUST_BE}(?:permanently )?(?:deleted|erased|removed|purged|wiped)\b|"
            rf"\b{_HAVE_IT}(?:account|mailbox|user|data|backups?|database) (?:deleted|erased|"
            rf"purged)\b|"
            r"\brm -\w*[rf]|\bdel /[sfq]|\br(?:m)?d(?:ir)? /s|\bremove-item\b.*-recurse|"
            r"\bclear(?:ing)? (?:the |all )?(?:\w+ )?(?:event|audit|security) logs?\b|"
            r"\bvssadmin delete|\bdeltree\b",
        ),
        # An account that leaves a mail client, and what is meant to be emptied, can be had again.
        re.compile(
            rf"{_WITHIN}(?:accounts?|users?) from (?:the |your |their )?(?:[\w'-]+ ){{0,2}}?"
            r"(?:outlook|phone|app|client|list|meeting|chat|teams|keychain|credential manager|"
            r"browser)\b|"
            rf"{_WITHIN}(?:from|in|of) (?:the |your |their )?(?:[\w'-]+ ){{0,2}}?"
            r"(?:queue|temp|cache|spool|spooler|recycle bin|trash|junk|spam|downloads?|contents|"
            r"sheet|spreadsheet|cell|form|slot|port|dock)\b|"
            r"remov(?:e|ing) (?:the |any |all )?(?:usb |external |flash |thumb )"
            r"(?:drives?|disks?)\b|"
            rf"{_WITHIN}(?:driver|drive letter|data cable)\b"
        ),
    ),
    Rule(
        "turn off what protects the account",
        _asking(
            _OFF,
            _PROTECTION,
            rf"\b(?:turn|switch|shut)(?:ing|ting)?{_BETWEEN}(?:{_PROTECTION}) off\b|"
            rf"\b(?:{_PROTECTION})(?: \w+)? {_MUST_BE}(?:turned off|switched off|disabled|removed|"
            r"bypassed|uninstalled|deactivated)\b|"
            rf"\b(?:{_HAVE_IT})?(?:{_PROTECTION}) (?:turned off|switched off|disabled) first\b|"
            r"\bset-mppreference\b|\bnetsh advfirewall\b|\bsetenforce 0\b|"
            r"\b(?:add|create|set)(?:ing)?(?: [\w'-]+){0,6}? exclusions?\b|"
            r"\bopen(?:ing)? (?:tcp |udp |up )?ports? \d+|\bforward(?:ing)? (?:tcp |udp )?ports?\b|"
            r"\bmanage-bde\b",
        ),
    ),
    Rule(
        "change the registry",
        re.compile(
            r"\b(?:(?:open|run|start|launch|use)(?:ing)? )?(?:the )?regedit\w*|"
            rf"{_NO_NOUN}\b(?:edit|chang|modif|delet|add|creat|set|tweak|clean|open|import|updat|"
            rf"remov)(?:e|y|ing|ting)?\b{_BETWEEN}registry\b|"
            r"\b(?:edit|change|modify|delete|add|create|set|remove|update)(?: [\w'-]+){0,4}? "
            r"(?:in|from|to|under) (?:the )?(?:windows )?registry\b|"
            r"\b(?:(?:edit|change|modify|delete|add|create|set|remove|update|open|go to|under|in|"
            r"at)"
            r"(?: [\w'-]+){0,5}? )?(?:hkey|hklm|hkcu)\b|\breg (?:add|delete|import)\b|"
            r"\b(?:run|open|import|double-click|merge)(?: [\w'-]+){0,3} \w*\.reg\b"
        ),
    ),
    Rule(
        "give somebody more rights",
        re.compile(
            rf"{_NO_NOUN}\b(?:grant|giv|assign|add|elevat|escalat|rais|provid)(?:e|ing)?\b"
            rf"(?: [\w'-]+){{0,6}}? (?:{_RIGHTS})\b|"
            r"\b(?:mak(?:e|ing)|promot(?:e|ing))(?! sure)(?: [\w'-]+){1,4}? (?:an?|to|into|as) "
            r"(?:(?:local|domain|global|tenant|an?|full) )*(?:admin(?:istrator)?s?|owner|root|"
            r"superuser)\b|"
            r"\bnet localgroup\b|\bicacls\b|\bchmod (?:-r )?0?777\b|\btakeown\b"
        ),
    ),
    Rule(
        "run something with more rights than first line has",
        re.compile(
            r"\b(?:run|start|open|launch|execut|sign in|log ?in|log on)(?:e|ing|"
            r"ning)?(?: [\w'./-]+){0,6}? "
            r"(?:as|with) (?:an? |the )?(?:local |domain |full )?"
            r"(?:admin(?:istrator)?(?: rights| privileges)?|root|system)\b|"
            r"\bsudo\b|\bsu -|\bpsexec\b|"
            r"\b(?:open |run |start |use |launch )?(?:an? |the )?elevated "
            r"(?:command|powershell|terminal|shell|prompt|console|cmd)\w*|"
            r"\b(?:curl|wget|iwr|irm|invoke-webrequest|invoke-restmethod)\b.*\|\s*"
            r"(?:sudo )?(?:ba|z|da)?(?:sh|iex|invoke-expression|python\d?|powershell)\b|"
            r"\binvoke-expression\b|\biex\b|\bset-executionpolicy\b|"
            r"\b(?:run|execute|start)(?: [\w'-]+){0,4}? (?:script|command|installer)s?"
            r"(?: [\w'-]+){0,3}? (?:from|off) (?:the |an? )?(?:internet|web\w*|forum|http\S*|url|"
            r"link|github\S*)|"
            r"\b(?:run|execute|start) (?:the |a |this )?downloaded (?:script|installer|program|"
            r"file)|"
            r"\bdownload(?:ing)?(?: [\w'-]+){0,5}? (?:script|executable)(?: [\w':/.-]+){0,5}? and "
            r"(?:run|execute|start)\b"
        ),
    ),
    Rule(
        "change somebody else's password",
        re.compile(
            rf"{_NO_NOUN}\b(?:reset|chang|set|updat|forc)(?:e|ing|ting)?\b(?: [\w-]+){{0,3}}? "
            rf"(?:{_PEOPLE})(?: [\w-]+){{0,2}}? passwords?\b(?! (?:manager|policy|hint))|"
            r"\b(?:reset|chang|set)(?:e|ing|ting)?(?: [\w-]+){0,4}? passwords? (?:for|of) "
            r"(?!(?:your own|the (?:wi-?fi|wireless|app|printer|router))\b)|"
            r"\bnet user \S+ \S"
        ),
        own=re.compile(
            r"(?:reset|chang|set|updat)(?:e|ing|ting)? (?:their|his|her)(?: own)?(?: [\w-]+){0,2}? "
            r"passwords?\b"
        ),
    ),
    Rule(
        "pass on a secret",
        re.compile(
            rf"{_NO_NOUN}\b(?:shar|tell|giv|send|read (?:out|back|aloud|me)|provid|disclos|reveal|"
            r"dictat|forward|post|text|e?-?mail|ask for|request|write down|hand over|repeat)"
            rf"(?:e|ing)?\b{_BETWEEN}(?:{_SECRETS})\b{_NO_NEWS}|"
            rf"\bask(?:ing)?{_SOME_WORDS} (?:for|what|which) {_WHOSE}(?:{_SECRETS})\b{_NO_NEWS}"
        ),
    ),
    Rule(
        "write firmware",
        _asking(
            r"(?:re-?)?flash(?:ing)?|updat(?:e|ing)|upgrad(?:e|ing)|downgrad(?:e|ing)|"
            r"install(?:ing)?|load(?:ing)?|roll(?:ing)? back|apply(?:ing)?|overwrit(?:e|ing)",
            r"firmware|bios|uefi|bootloader|microcode",
            r"\b(?:re-?)?flash(?:ing)? (?:the |its |this )?(?:router|switch|modem|phone|printer|"
            r"device|"
            rf"access point|chip)\b|\b(?:firmware|bios|uefi) {_MUST_BE}(?:updated|flashed|"
            rf"upgraded)\b|"
            r"\b(?:do |perform |start |run )(?:an? |the )?(?:firmware|bios) (?:update|upgrade|"
            r"flash)\b",
        ),
    ),
    Rule(
        "take down a server",
        _asking(
            r"power(?:ing)?[- ](?:off|down|cycle|cycling)|shut(?:ting)? ?(?:down|off)|"
            r"re-?boot(?:ing)?|"
            r"re-?start(?:ing)?|turn(?:ing)? off|switch(?:ing)? off|unplug(?:ging)?|halt(?:ing)?|"
            r"stop(?:ping)?|disconnect(?:ing)?|kill(?:ing)?|pull(?:ing)? the plug (?:on|of)",
            _SERVERS,
            rf"\b(?:turn|switch|shut|power)(?:ing|ting)?{_BETWEEN}(?:{_SERVERS}) (?:off|down)\b|"
            rf"\b(?:servers?|domain controllers?|hypervisors?|nas|san) {_MUST_BE}"
            r"(?:powered (?:off|down)|shut down|rebooted|restarted|turned off|unplugged)\b|"
            r"\bpull(?:ing)? the plug (?:on|of) (?:the )?(?:[\w-]+ )?(?:server|nas|host)\b",
        ),
        re.compile(
            rf"{_WITHIN}(?:server|host|database) (?:process|connection|session|program|list)\b"
        ),
    ),
)
