"""Lines that a page puts around its text: where one is, what can be shared, who keeps which rights.

Two copies of an article come from two sites, and of a short one their scaffolding is the greater part. A line
goes if it is short and made of such words alone, so no sentence goes; where they make up more than half of a
text, they are its text, and all stays. The words are those of Chinese and English pages.
"""

from __future__ import annotations

import re

_SHORT = 100  # characters of a line
_PART = 0.5  # of the text that must be left

_WORDS = (
    # English: where one is
    r"home(?:page)?", r"about(?: us)?", r"contact(?: us)?", r"news", r"blog", r"menu", r"search", r"faqs?",
    r"help", r"sitemap", r"categor(?:y|ies)", r"tags?", r"archives?",
    r"skip to (?:main )?(?:content|navigation)", r"back to (?:top|home)", r"you are here",
    r"next(?: (?:page|post|article))?", r"prev(?:ious)?(?: (?:page|post|article))?",
    r"related (?:posts?|articles?|stories|news|links?|reading)",
    r"read (?:more|next|full (?:article|story))", r"continue reading", r"more(?: news| stories)?",
    r"(?:view|see|show) (?:all|more)", r"table of contents",
    # what can be done
    r"log ?(?:in|out)", r"sign ?(?:in|up|out)", r"register", r"subscribe(?: now)?", r"newsletter",
    r"rss(?: feed)?", r"print(?: this(?: page| article)?)?", r"e-?mail(?: this(?: page| article)?)?",
    r"share(?: this(?: page| article)?)?", r"(?:share|follow us|tweet|pin) (?:on|to|via) [a-z+]{1,12}",
    r"tweet", r"like", r"reply", r"comments?(?: \(\d+\))?", r"(?:leave|post|add) a (?:comment|reply)",
    r"\d+ comments?", r"no comments(?: yet)?", r"facebook", r"twitter", r"linkedin", r"pinterest",
    r"whatsapp", r"reddit", r"instagram", r"youtube", r"copy link", r"close", r"advertisement",
    r"(?:accept|reject)(?: all)? cookies", r"cookie (?:policy|settings|preferences)",
    # who keeps which rights
    r"privacy(?: policy| notice)?", r"terms(?: (?:of (?:use|service)|and conditions|& conditions))?",
    r"disclaimer", r"(?:copyright|©|\(c\))[^\n]{0,60}", r"all rights reserved\.?",
    r"powered by [a-z .]{1,24}",
    # Chinese
    r"首页|主页|网站首页|返回(?:首页|顶部|列表)?|新闻(?:中心)?|资讯|正文|当前位置|您(?:现在)?的位置|导航|菜单|搜索|网站地图",
    r"关于我们|联系(?:我们|方式)|登录|登陆|注册|退出|收藏(?:本[页站文])?|打印(?:本[页文])?|关闭(?:本页|窗口)?|字号|[大中小]",
    r"分享(?:到|至|给好友)?|转发|点赞|举报|评论(?:\(\d+\))?|发表评论|我要评论|(?:条|网友)评论|微信(?:好友|扫一扫)?|朋友圈",
    r"(?:新浪|腾讯)?微博|qq(?:空间|好友)?|豆瓣|人人网|扫一扫|复制链接",
    r"上一[篇页章条](?:[:：][^\n]{0,50})?|下一[篇页章条](?:[:：][^\n]{0,50})?|目录|(?:相关|延伸|推荐)(?:阅读|文章|新闻|链接|推荐)",
    r"(?:查看|阅读|加载|展开)(?:更多|全文|原文)|更多|热门(?:文章|新闻|推荐)?|猜你喜欢|广告",
    r"(?:责任)?编辑[:：][^\n。]{0,16}|(?:责编|校对|审核|监制)[:：][^\n。]{0,16}|(?:浏览|阅读|点击)(?:次数|量|数)?[:：]?\s*\d+次?",
    r"(?:版权所有|著作权)[^\n。]{0,40}|[^\n。]{0,12}icp[备证][^\n。]{0,24}|[^\n。]{0,3}公网安备[^\n。]{0,24}",
    r"免责声明|隐私(?:政策|声明|权)|法律声明",
)  # fmt: skip
_BETWEEN = r"[\s|/>»›·•,，、:：\-–—\[\]【】]"
_LINE = re.compile(rf"{_BETWEEN}*(?:(?:{'|'.join(_WORDS)})(?:{_BETWEEN}+|$))+")


def without_scaffolding(text: str) -> str:
    """A text in lower case without such lines."""
    lines = text.split("\n")
    if len(lines) == 1:
        return text
    kept = [line for line in lines if not (0 < len(line) <= _SHORT and _LINE.fullmatch(line))]
    if len(kept) == len(lines):
        return text
    rest = "\n".join(kept)
    return rest if len(rest) > _PART * len(text) else text
