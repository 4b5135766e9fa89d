"""Lines that look like entries of menus, and what looks like them and is none: verse, lists, chat."""

from __future__ import annotations

import re

import numpy as np

from services.rules.characters import COMMA, TERMINAL
from services.rules.page import Page
from services.rules.pieces import INDENTED
from services.rules.quoted import outside_fences
from services.rules.verse import LIST_SIGNS, is_spoken, widest

_MENU_COLUMNS = (
    0.2  # own: 98 of 100 page frames that the rule would meet hold more, a fifth of good texts less
)
# Own: of page frames that the rule would meet one in fifty has more of its columns in sentences, of product
# pages, landing pages and contents with an introduction one in four.
_SENTENCE, _SENTENCE_COLUMNS = 80, 0.55
# What a site calls its own pages, and what one can do there. Of 260 page frames each has three such lines and
# more, of 34 poems in lines of two to four characters, without function words, each at most two. With them no
# list has to be told by its marks, numbers, names or years.
_ENGLISH = r"""
    home about contacts? log_?(?:in|out) sign_?(?:in|up|out) register search cart checkout account help
    faqs? privacy terms cookies? copyright rights_reserved subscribe subscriptions? newsletters? menu
    previous next share print comments? tags? categor(?:y|ies) archives? site_?map careers jobs
    advertis\w+ downloads? products? services? support blogs? rss facebook twitter instagram youtube
    linkedin follow skip_to read_more show_more view_all see_all policy policies legal shop store events?
    e-?mail settings profiles? click donate forums? reply feedback related popular latest submit password
    username navigation videos? news members? topics? resources? website webmaster online
"""  # _: a blank
_CHINESE = """
    首[页頁] 主[页頁] 登[录陆入錄] [注註][册冊] 关于 關於 联系 聯[繫絡] 搜[索尋] 版[权權] [隐隱]私
    [条條]款 更多 下[载載] [帮幫]助 客服 [会會][员員] 收藏 分享 [评評][论論] 打印 列印 上一 下一 返回
    [导導]航 [栏欄]目 [频頻]道 新[闻聞] [资資][讯訊] [产產]品 服[务務] 公司 招聘 [广廣]告 [网網][站址]
    [论論][坛壇] 博客 微博 微信 [备備]案 [链鏈]接 連結 [热熱][门門] 推[荐薦] 相[关關] 排行 [标標][签籤]
    分[类類] [订訂][阅閱] [购購]物[车車] [订訂][单單] [账帳][户号戶號] 手[机機]版 客[户戶]端
    [电電][话話] 地址 [邮郵]箱 免[责責] [声聲]明 合作 投稿 反[馈饋] [点點][击擊] 查看 回[复覆] [发發]表
    [举舉][报報] 官方
"""  # in both scripts
_SITE = re.compile(
    rf"\b(?:{'|'.join(_ENGLISH.split()).replace('_', ' ')})\b|{'|'.join(_CHINESE.split())}", re.IGNORECASE
)
_LEAST_OF_SITE = 3  # lines, no two the same


def menu_line_share(page: Page) -> float:
    """Lines that look like entries of menus, footers and link lists.

    Such a line is narrow, ends with no punctuation, is not taken up by a next line in lower case, and is no
    list item, heading, `name: value` or code, nor indented, nor in a fenced block. Own measure, in the spirit
    of jusText's short link-less blocks.
    0 where such lines hold less than _MENU_COLUMNS of the text, or sentences more than _SENTENCE_COLUMNS: a
    thread with its names and buttons, or a description with its table, is no menu; and where next to none
    names a page of a site or what one can do there: a list of names or works is none.
    Nor are verse, subtitles and chat without punctuation.
    """
    last = page.line_end_classes
    widths = page.line_widths
    narrow = np.flatnonzero((widths < widest(page)) & (last != TERMINAL) & (last != COMMA) & ~page.line_names)
    whole = float(widths.sum())
    least = _MENU_COLUMNS * whole
    if widths[narrow].sum() < least:
        return 0.0
    if widths[(widths >= _SENTENCE) & (last == TERMINAL)].sum() > _SENTENCE_COLUMNS * whole:
        return 0.0
    starts, ends = page.line_spans
    firsts = page.line_firsts
    goes_on = [*(starts[1:] == ends[:-1] + 1).tolist(), False]  # no blank line comes next
    found = [
        i
        for i in narrow.tolist()
        if firsts[i] not in LIST_SIGNS and not (goes_on[i] and firsts[i + 1].islower())
    ]
    if widths[found].sum() < least:
        return 0.0  # told first: most pages end here
    lines = page.lines
    may_be_fenced = "```" in page.text or "~~~" in page.text
    outside = set(outside_fences(lines) if may_be_fenced else found)
    found = [i for i in found if i in outside and not lines[i].startswith(INDENTED)]
    is_menu = widths[found].sum() >= least and _is_of_site({lines[i] for i in found})
    return len(found) / len(lines) if is_menu and not is_spoken(page, narrow) else 0.0


def _is_of_site(lines: set[str]) -> bool:
    return sum(_SITE.search(line) is not None for line in lines) >= _LEAST_OF_SITE
