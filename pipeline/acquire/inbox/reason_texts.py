"""The sentences of each reason for which a submission is refused, in English and in Chinese.

Texts take named values by ``str.format``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """What is wrong and what to do, in two languages."""

    en: str
    en_do: str
    zh: str
    zh_do: str


REASONS: dict[str, Reason] = {
    "no_form": Reason(
        "there is no flight.yaml",
        "Fill in the form beside the drop, and put the flight.yaml that it gives into the folder",
        "没有找到飞行信息文件 flight.yaml",
        "请打开旁边名称以“登记表.html”结尾的网页，填好后把下载的 flight.yaml 放进同一文件夹",
    ),
    "form": Reason(
        "flight.yaml: {what}",
        "Correct it, or fill in the one-page form again",
        "flight.yaml 填写有误：{zh}",
        "请改正，或用旁边名称以“登记表.html”结尾的网页重新填写",
    ),
    "nothing": Reason(
        "it holds neither a mosaic nor photos",
        "Hand in the orthomosaic as GeoTIFF (odm_orthophoto.tif, result.tif, Pix4D tiles); a "
        "correction is the whole flight again",
        "里面没有正射影像（GeoTIFF），也没有照片",
        "请提交正射影像，例如 odm_orthophoto.tif、result.tif 或 Pix4D 分块；"
        "更正时也请整次飞行重新提交",
    ),
    "foreign": Reason(
        "it holds no GeoTIFF and no photos (JPEG), only {files}",
        "Export the orthomosaic as GeoTIFF; unpack what is packed",
        "里面没有 GeoTIFF 正射影像，也没有照片（JPEG），只有 {files}",
        "请从软件中导出 GeoTIFF（.tif）；ECW、PNG 等格式不能使用，压缩包请先解开",
    ),
    "several": Reason(
        "it is not clear which file is the {role}: {files}",
        "Hand in one flight per folder, or name the files under 'files' of flight.yaml",
        "无法确定哪个文件是{role_zh}：{files}",
        "一个文件夹只放一次飞行的成果，或在 flight.yaml 的 files 中写明文件名",
    ),
    "no_file": Reason(
        "flight.yaml names {file}, which is not there",
        "Correct the name, or add the file",
        "flight.yaml 中写的文件 {file} 不存在",
        "请改正文件名，或补上该文件",
    ),
    "leaves": Reason(
        "{file} is a link or leads out of the folder",
        "Copy the file itself into the folder",
        "{file} 是链接，或指向文件夹之外",
        "请把文件本身复制到文件夹里，不要用快捷方式、链接或“..”路径",
    ),
    "archive": Reason(
        "the zip is not unpacked: {what}",
        "Unpack it and hand in the folder",
        "压缩包不能解开：{what}",
        "请先自行解压，再提交文件夹",
    ),
    "unsafe": Reason(
        "the zip is not unpacked: {what}",
        "Pack the results alone, with plain names, or hand in the folder",
        "压缩包有指向包外的路径或链接、重名或过多的内容，没有解开：{what}",
        "请只打包成果文件后重新提交，或直接提交文件夹",
    ),
    "packed": Reason(
        "{file} is packed in a way that is not opened here",
        "Unpack it and hand in the folder, or pack it as zip",
        "{file} 的压缩格式不能打开",
        "请先解压再提交文件夹，或改用 zip 格式",
    ),
    "name": Reason(
        "the name of {file} is not in UTF-8, and cannot be opened",
        "Rename it, for example in letters and digits, or pack the folder as zip",
        "{file} 的名称编码不是 UTF-8（可能是 GBK），不能打开",
        "请改名后重新提交，例如只用字母和数字，或打包成 zip 提交",
    ),
    "room": Reason(
        "it unpacks to {size}, for which {need} must be free on the disk of the state folder, "
        "and {free} are",
        "Free some space; it is looked at again by the next call, or unpack it and hand in the "
        "results alone",
        "压缩包解开后为 {size}，需要 {need} 的空闲空间，而服务器磁盘只剩 {free}",
        "请通知管理员腾出空间，之后会再次处理；也可以只提交成果文件",
    ),
    "too_many": Reason(
        "it holds more than {most} files or folders too deep",
        "Hand in the results only, without the project's other files",
        "文件过多（超过 {most} 个）或文件夹层次过深",
        "只提交成果文件，不要提交整个工程",
    ),
    "not_tiff": Reason(
        "{file} is no GeoTIFF ({really})",
        "Export the mosaic as GeoTIFF",
        "{file} 实际不是 GeoTIFF（{really}）",
        "请从软件中重新导出为 GeoTIFF，不要只改文件扩展名",
    ),
    "too_large": Reason(
        "{file} says it is {what}, more than is read ({most})",
        "Export it in parts, one flight each, or check that the file is whole",
        "{file} 的尺寸为 {what}，超过上限（{most}）",
        "请分块导出、分次提交；如果本来没有这么大，文件可能已损坏",
    ),
    "unreadable": Reason(
        "{file} is damaged or was copied by half ({what})",
        "Copy it again and compare the sizes",
        "{file} 损坏或没有复制完整（{what}）",
        "请重新复制，并核对文件大小",
    ),
    "changed": Reason(
        "its files changed or went away while they were read ({file})",
        "Wait until everything is copied, then hand it in again",
        "读取过程中文件有变化或被移走（{file}）",
        "请等全部复制完成后再提交",
    ),
    "loose": Reason(
        "{file} lies in the inbox by itself",
        "Put the mosaic, the surface and flight.yaml of one flight into a folder of their own",
        "{file} 单独放在收件箱里",
        "请为每次飞行建一个文件夹，把影像、地表模型和 flight.yaml 放在一起",
    ),
    "no_crs": Reason(
        "{file} carries no coordinate reference system",
        "Export it with its CRS, add the .prj, or state 'horizontal: EPSG:n' in flight.yaml",
        "{file} 没有坐标系",
        "请带坐标系重新导出，或附上 .prj 文件，或在 flight.yaml 写明 horizontal: EPSG:代码",
    ),
    "other_crs": Reason(
        "{file} is in {found}, and flight.yaml says {said}",
        "Correct 'horizontal', or leave it out where the file is right",
        "{file} 的坐标系是 {found}，flight.yaml 写的是 {said}，两者不符",
        "请改正 horizontal；如果文件是对的，可以不写这一项",
    ),
    "other_vertical": Reason(
        "the heights of {file} are {found} by the file, and flight.yaml says 'vertical: {said}'",
        "Correct 'vertical' (1985 or ellipsoid; unknown where they are neither, for changes "
        "between flights), or export the surface with the reference it really has",
        "{file} 的高程基准按文件是 {found}，flight.yaml 写的是 vertical: {said}，两者不符",
        "请改正 vertical（1985 或 ellipsoid；都不是就写 unknown，只用于前后比较），"
        "或按真实的高程基准重新导出",
    ),
    "no_place": Reason(
        "{file} has no place on the ground, or is turned ({what})",
        "Export it north-up, with its position (a .tfw beside it will do)",
        "{file} 没有地理位置，或影像是旋转的（{what}）",
        "请按正北方向、带地理位置导出（附 .tfw 也可以）",
    ),
    "degrees": Reason(
        "{file} says metres ({crs}), and its coordinates are degrees",
        "Export it again with the CRS it really has, for example EPSG:4490",
        "{file} 标注的坐标系以米为单位（{crs}），坐标却是经纬度",
        "请按真实坐标系重新导出，例如经纬度用 EPSG:4490",
    ),
    "metres": Reason(
        "{file} says degrees ({crs}), and its coordinates are metres",
        "Export it again with the CRS it really has, for example EPSG:4547",
        "{file} 标注为经纬度坐标系（{crs}），坐标却是米",
        "请按真实坐标系重新导出，例如 EPSG:4547",
    ),
    "not_there": Reason(
        "{file} lies outside of where {crs} is used",
        "Check the CRS: the zone, and whether the eastings carry the zone's number",
        "{file} 的坐标不在 {crs} 的适用范围内",
        "请检查坐标系：带号是否正确，横坐标是否带有带号",
    ),
    "gsd": Reason(
        "{file} has pixels of {found}, {said}",
        "Check the CRS and the resolution of the export",
        "{file} 的像元为 {found}，{said_zh}",
        "请检查坐标系和导出分辨率",
    ),
    "bands": Reason(
        "{file} has {what}",
        "Export red, green, blue (and near infrared) in 8 or 16 bit, or state 'bands' in "
        "flight.yaml",
        "{file} 的波段不能使用：{what}",
        "请按红、绿、蓝（近红外）导出，8 位或 16 位；波段顺序特殊时在 flight.yaml 写明 bands",
    ),
    "depth": Reason(
        "{file} has pixels of {what}",
        "Export the mosaic in 8 or 16 bit (uint8, uint16)",
        "{file} 的像元类型是 {what}，不能使用",
        "请按 8 位或 16 位无符号整数导出正射影像",
    ),
    "tiles": Reason(
        "the tiles do not belong to one mosaic: {what}",
        "Hand in the tiles of one mosaic of one flight only",
        "分块影像不属于同一幅正射影像：{what}",
        "请只提交同一次飞行、同一幅影像的分块",
    ),
    "mismatch": Reason(
        "the orthomosaic and the surface model do not match: {what}",
        "Export both from one project, with the same CRS and extent",
        "正射影像与地表模型（DSM）不一致：{zh}",
        "请从同一工程、按同一坐标系和范围导出两者",
    ),
    "feet": Reason(
        "the heights of {file} are in feet",
        "Export the surface model in metres",
        "{file} 的高程单位是英尺",
        "请按米导出地表模型",
    ),
    "heights": Reason(
        "{file} holds heights from {low:.0f} to {high:.0f}, which are no metres above the sea",
        "Export the surface model in metres",
        "{file} 的高程为 {low:.0f} 至 {high:.0f}，不可能是以米为单位的高程",
        "请按米导出地表模型",
    ),
    "unit": Reason(
        "the heights of {file} are in {unit}",
        "Export the surface model in metres",
        "{file} 的高程单位是 {unit}",
        "请按米导出地表模型",
    ),
    "scale": Reason(
        "{file} declares a scale of {scale:g} and an offset of {offset:g}, which make no heights",
        "Export the surface model in metres, without scale and offset",
        "{file} 声明的高程比例（{scale:g}）和偏移（{offset:g}）不能使用",
        "请按米导出地表模型，不要设置比例和偏移",
    ),
    "relief": Reason(
        "{file} rises from {low:.0f} to {high:.0f} m within {across:.0f} m, which no ground does",
        "Check the unit of the heights and remove blunders (points in the air or far below), then "
        "export it again",
        "{file} 的高程在 {across:.0f} 米的范围内从 {low:.0f} 变到 {high:.0f} 米，地面不可能如此",
        "请检查高程单位，删除空中或地下的错误点，再重新导出地表模型",
    ),
    "empty": Reason(
        "{file} holds no data, or next to none",
        "Export it again and look at it before you hand it in",
        "{file} 全部或几乎全部是无效值",
        "请重新导出，提交前先打开看一下",
    ),
    "twice": Reason(
        "the same mosaic was taken in already as {id}",
        "Nothing is to be done; if it corrects that one, state 'supersedes: {id}' in flight.yaml",
        "同一幅影像已经接收过（{id}）",
        "不用再交；如果是更正那一次，请在 flight.yaml 写明 supersedes: {id}",
    ),
    "older": Reason(
        "it was flown before {id}, which covers the same ground and is in use",
        "Check the date; if it is meant as history, state 'history: true' in flight.yaml",
        "飞行时间早于已在使用的 {id}，而覆盖同一区域",
        "请核对飞行时间；如果确实是历史资料，请在 flight.yaml 写明 history: true",
    ),
    "supersedes": Reason(
        "it supersedes {id}, which was never taken in",
        "Correct 'supersedes'; the receipt of the earlier submission states its number",
        "flight.yaml 的 supersedes 写的是 {id}，没有接收过这一次飞行",
        "请改正编号，编号见上一次的回执",
    ),
    "corrects": Reason(
        "it supersedes {id}, which {what}",
        "Correct 'supersedes' or leave it out, or submit the whole flight again with what this "
        "lacks; if it is meant so, the office hands the folder in "
        "with `siluan submit FOLDER --accept-supersedes NAME`",
        "flight.yaml 的 supersedes 写的是 {id}，但那一次{zh}，不能由本次替代",
        "请改正编号，或删去 supersedes 这一行；缺少内容的，请把整次飞行重新提交；"
        "确实要替代的，请联系管理员，由管理员具名确认后提交",
    ),
    "photos": Reason(
        "{count} photo(s) cannot be used: {what}",
        "Hand in the originals; where the camera stores no zone, state 'photo_zone' in flight.yaml",
        "有 {count} 张照片不能使用：{zh}",
        '请提交相机原片；相机不记录时区时，请在 flight.yaml 写明 photo_zone: "+08:00"',
    ),
}
