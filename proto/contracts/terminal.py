"""What terminals take for commands in a text: colours, cursor and titles, other charsets, single letters.

Behind a stray escape stands a text, whose letters stay: a command of one letter is told from a word by what
follows. After ECMA-48 and ECMA-35.
"""

COMMAND = (
    "\x1b(?:\\[[0-?]{0,40}[ -/]{0,4}[@-~]|[\\]PX^_][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\\\)|[()*+][0-2ABIJ]"
    "|\\$[()*+]?[@-D]|#[3-8]|%[@G]|[78=>\\\\]|[DEHMNOZcno|}~](?![A-Za-z]))?"
)  # a regular expression, linear in the text
