"use strict";
// Words by code: [Chinese, English]. What is typed by people never passes through here.
const WORDS = {
  title: ["疑似问题核查", "Review of suspected cases"],
  by: ["核查人", "Reviewer"],
  download: ["下载核查结果", "Download verdicts"],
  help: ["快捷键", "Keys"],
  close: ["关闭", "Close"],
  unjudged: ["只看未核查", "Not judged yet"],
  fit: ["全图", "All"],
  ring: ["轮廓", "Outline"],
  flip: ["前/后", "Before/after"],
  sheet: ["证据图", "Sheet"],
  reason: ["原因", "Reason"],
  kind: ["类型", "Kind"],
  on: ["日期", "Date"],
  note: ["备注", "Note"],
  draw: ["画轮廓", "Draw outline"],
  clear: ["撤销本条", "Undo"],
  search: ["编号、河湖、县乡…（/）", "Case, water, county … (/)"],
  all_lists: ["全部清单", "All lists"],
  cases: ["疑似问题", "Suspected"],
  watch: ["待核（关注）", "On watch"],
  suppressed: ["图层已解释", "Explained"],
  all_status: ["全部状态", "All statuses"],
  all_corridors: ["全部河湖", "All waters"],
  sort_new: ["最新出现在前", "Newest first"],
  sort_area: ["面积大在前", "Largest first"],
  sort_score: ["置信高在前", "Most certain first"],
  sort_visit: ["查看次序", "Order of visits"],
  sort_chain: ["沿河顺序", "Along the water"],
  sort_id: ["编号", "Case id"],
  zhan: ["乱占", "Occupation"], cai: ["乱采", "Extraction"], dui: ["乱堆", "Dumping"], jian: ["乱建", "Construction"],
  suspected_: ["疑似", "Suspected "],
  before: ["此前", "Before"], after: ["此后", "After"],
  true_: ["真彩色", "True"], false_: ["假彩色", "False colour"],
  seen: ["看到", "Seen"], seen_uncertain: ["看到（不确定）", "Seen, uncertain"], missed: ["晴空未见", "Clear, not seen"],
  undecided: ["晴空不能判断", "Clear, cannot tell"], unseen: ["看不到", "Could not see"],
  level: ["水位序", "level rank"], looks: ["历次观测", "All looks"],
  same: ["（不改）", "(unchanged)"], none: ["（无）", "(none)"],
  case_id: ["编号", "Case"], status: ["办理状态", "Status"], state: ["影像判断", "By imagery"], water: ["河湖", "Water"],
  place: ["县区/乡镇", "County"], chainage: ["桩号", "Chainage"], area: ["面积", "Area"], appeared: ["出现", "Appeared"],
  last: ["最近看到", "Last seen"], point: ["位置", "Place"], remarks: ["说明", "Remarks"], why: ["待核原因", "Why on watch"], proposal: ["影像建议", "Imagery proposes"],
  left: ["左岸", "left bank"], right: ["右岸", "right bank"], m2: ["平方米", "m²"],
  given: ["已选：{0}", "Given: {0}"],
  needs_reason: ["请选原因（不是问题必须有原因；“其他”须写备注）", "Choose a reason (needed for 不是问题; “other” needs a note)"],
  needs_by: ["请先填写核查人", "Fill in the reviewer first"],
  needs_on: ["日期不能早于首次看到，也不能晚于今天", "The date is not before the first sighting and not after today"],
  personal: ["备注和核查人中不要写电话或身份证号", "No telephone or identity numbers, please"],
  nothing: ["还没有核查结果", "No verdicts yet"],
  incomplete: ["{0} 条还缺内容，未写入文件；先补全：{1}", "{0} incomplete, not in the file: {1}"],
  written: ["已写出 {0} 条：siluan cases verdict {1}", "{0} written: siluan cases verdict {1}"],
  blocked: ["“{0}”的案件还不能核为问题：先由具名人员交办（siluan cases issue）", "A case that is “{0}” is issued by a named person first (siluan cases issue)"],
  blocked_all: ["“{0}”的案件不再接受核查结论", "A case that is “{0}” takes no verdict"],
  drawing: ["在图上逐点单击；回车或双击完成，退格撤一点，Esc 取消", "Click the corners; Enter or double click ends, Backspace takes one back, Esc cancels"],
  drawn: ["已画更正轮廓", "corrected outline drawn"],
  bad_outline: ["轮廓不可用：至少三点、不自交，面积在原来的十分之一到十倍之间，并靠近原位置", "This outline cannot be used: three corners, not crossing itself, a tenth to ten times the area, near the case"],
  shown: ["{0} / {1} 条", "{0} / {1}"],
  no_picture: ["没有可以显示的影像", "Nothing can be shown"],
  between: ["{0} 之后、{1} 之前", "after {0}, before {1}"], upto: ["{0} 之前", "before {0}"],
  k_next: ["下一条 / 上一条", "next / previous"], k_verdict: ["核查结论", "verdict"], k_reason: ["原因", "reason"], k_draw: ["画轮廓", "draw the outline"],
  k_colour: ["真彩色 / 假彩色", "true / false colour"], k_flip: ["此前 / 此后", "before / after"], k_find: ["查找", "search"], k_zoom: ["图上放大到案件", "zoom to the case"], k_save: ["下载核查结果", "download verdicts"], k_note: ["备注", "note"],
};
const STATUS = {
  watch: ["关注", "on watch"], suspected: ["疑似", "suspected"], issued: ["已交办", "issued"], verified: ["已核实", "verified"], rejected: ["已排除", "rejected"],
  permitted: ["已许可", "permitted"], rectifying: ["整改中", "rectifying"], closed: ["已销号", "closed"], relapsed: ["反弹", "relapsed"], withdrawn: ["已撤回", "withdrawn"],
  first: ["首次发现", "first sighting"], provisional: ["待核", "provisional"], expired: ["已消失", "no longer seen"],
};
const VERDICTS = [["问题", "a problem"], ["问题·历史碍洪", "historic, harms floods"], ["不是问题", "no problem"], ["不是问题·历史不碍洪", "historic, harmless"]];
const REASONS = {
  seasonal_water: ["季节性水面", "seasonal water"], cloud: ["云", "cloud"], shadow: ["阴影", "shadow"], bridge_or_weir: ["桥梁堰坝", "bridge or weir"],
  permitted: ["已许可", "permitted"], authorised_works: ["批准工程", "authorised works"], crop: ["农作物", "crop"], already_there: ["原有", "already there"],
  duplicate: ["重复", "duplicate"], too_small: ["面积过小", "too small"], misplaced: ["位置不符", "misplaced"], other: ["其他", "other"],
};
let english = false;
function say(code, ...values) {
  let text = (WORDS[code] || [code, code])[english ? 1 : 0];
  values.forEach((v, i) => { text = text.split("{" + i + "}").join(String(v)); });
  return text;
}
function one(table, code) { return (table[code] || [code, code])[english ? 1 : 0]; }
