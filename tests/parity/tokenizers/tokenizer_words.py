"""Common words and a sentence in thirty-two languages: material for the strings that tokenizers are compared on."""

LANGUAGES = {
    "English": (
        "the water house people because night always between children year",
        "My sister can't find her blue umbrella, so she's waiting.",
    ),
    "German": (
        "und größer Straße Mädchen über fünf heißt Fußgängerübergang schön wäre",
        "Die Donau fließt am späten Abend ruhig durch die Stadt.",
    ),
    "French": (
        "être où garçon naïve cœur août français élève déjà aujourd'hui",
        "L'été dernier, nous avons mangé des crêpes près de l'église.",
    ),
    "Spanish": (
        "niño mañana qué corazón pingüino año todavía ciudad años habló",
        "¿Dónde está la biblioteca? ¡Está detrás de la estación!",
    ),
    "Portuguese": (
        "não coração você amanhã irmão três avó maçã português então",
        "A minha avó faz pão de manhã e conta histórias à noite.",
    ),
    "Italian": (
        "perché città più caffè sarà gioventù libertà amico giovedì è",
        "Il treno per Milano è già partito, però ne arriva un altro.",
    ),
    "Dutch": (
        "één ijs coördinatie vrouw huis geweest schrijven zoëven fietsen zee",
        "De kinderen fietsen elke ochtend langs het water naar school.",
    ),
    "Polish": (
        "źdźbło żółty łódź książka dziękuję święto wąż miś ćma być",
        "W sobotę kupiliśmy świeży chleb i żółty ser na targu.",
    ),
    "Czech": (
        "příliš žluťoučký kůň úpěl řeka děti včera střecha něco hříbě",
        "Včera večer pršelo, ale dnes svítí nad řekou slunce.",
    ),
    "Hungarian": (
        "árvíztűrő tükörfúrógép szőlő gyönyörű kérdés ősz útvesztő fű egészségedre hűvös",
        "A kisfiú a kertben ül, és egy régi könyvet olvas.",
    ),
    "Finnish": (
        "yö äiti hyvää järvi kiitos mökki sää pöytä lumi talo",
        "Järven rannalla on pieni mökki, jossa vietämme kesän.",
    ),
    "Swedish": (
        "är över någon människa sjö räksmörgås hälsa för älg blå",
        "Vi åkte skidor hela dagen och drack varm choklad på kvällen.",
    ),
    "Turkish": (
        "ığdır İstanbul çocuk güneş şeker öğretmen değil bugün üç ılık",
        "Çocuklar bahçede oynarken annesi çay içiyordu.",
    ),
    "Vietnamese": (
        "không được người tiếng Việt đường nước những trời phở",
        "Sáng nay tôi uống cà phê và đọc báo ở quán nhỏ.",
    ),
    "Romanian": (
        "și țară înainte câine făcut pâine ştiinţă mâine frumoasă mulțumesc",
        "Fetița își caută pisica prin grădina plină de flori.",
    ),
    "Icelandic": (
        "það þú ísland góðan snjór æðislegt maður blóm fjörður öðruvísi",
        "Það er kalt í dag en sólin skín á jökulinn.",
    ),
    "Russian": (
        "вода ещё объект жизнь человек почему вечер книга сегодня ёлка",
        "Вчера мы долго гуляли по набережной и пили чай.",
    ),
    "Ukrainian": (
        "їжак ґрунт щастя вулиця п'ять місто завжди дякую європа ніч",
        "Моя бабуся пече найкращі пиріжки на цілій вулиці.",
    ),
    "Greek": (
        "και άνθρωπος θάλασσα ήλιος ευχαριστώ σπίτι μέρα παιδί ψωμί όλοι",
        "Το καλοκαίρι κολυμπάμε κάθε πρωί στη θάλασσα.",
    ),
    "Armenian": (
        "և մարդ ջուր արև երեխա տուն գիրք այսօր բարև հաց",
        "Երեխաները խաղում են այգում։",
    ),
    "Georgian": (
        "და წყალი მზე ადამიანი სახლი წიგნი დღეს მადლობა პური ბავშვი",
        "ბავშვები ბაღში თამაშობენ და იცინიან.",
    ),
    "Hebrew": (
        "שלום מים בית ילד ספר היום שמש תודה לחם אנשים",
        "הילדים משחקים בגינה עד הערב.",
    ),
    "Arabic": (
        "ماء بيت كتاب شمس السلام مدرسة اليوم شكرًا خبز إلى",
        "ذهبنا أمس إلى السوق واشترينا خبزًا طازجًا.",
    ),
    "Persian": (
        "آب خانه کتاب خورشید می‌روم سلام امروز بچه‌ها نان دوست",
        "بچه‌ها در باغ بازی می‌کنند و می‌خندند.",
    ),
    "Hindi": (
        "पानी घर किताब सूरज नमस्ते विद्यालय आज बच्चे रोटी क्षमा",
        "बच्चे बगीचे में खेल रहे हैं और हँस रहे हैं।",
    ),
    "Bengali": (
        "জল বাড়ি বই সূর্য নমস্কার আজ ছেলে রুটি স্কুল বন্ধু",
        "ছেলেরা বাগানে খেলছে আর হাসছে।",
    ),
    "Tamil": (
        "தண்ணீர் வீடு புத்தகம் சூரியன் வணக்கம் இன்று குழந்தை பள்ளி நன்றி மழை",
        "குழந்தைகள் தோட்டத்தில் விளையாடுகிறார்கள்.",
    ),
    "Thai": (
        "น้ำ บ้าน หนังสือ ดวงอาทิตย์ สวัสดี วันนี้ เด็ก ขนมปัง โรงเรียน เพื่อน",
        "เด็กๆกำลังเล่นอยู่ในสวนและหัวเราะ",
    ),
    "Chinese": (
        "水 房子 书 太阳 你好 学校 今天 孩子 麵包 朋友",
        "孩子们在花园里玩耍,笑得很开心。",
    ),
    "Japanese": (
        "みず いえ ほん 太陽 こんにちは 学校 今日 こども パン ガラス",
        "子どもたちは庭で遊びながら、楽しそうに笑っています。",
    ),
    "Korean": (
        "물 집 책 태양 안녕하세요 학교 오늘 아이 빵 친구",
        "아이들이 마당에서 놀면서 크게 웃고 있어요.",
    ),
    "Mongolian": (
        "ус гэр ном нар сайн өнөөдөр хүүхэд талх сургууль найз",
        "Хүүхдүүд цэцэрлэгт тоглож, инээж байна.",
    ),
}
WORDS = [words.split() for words, _ in LANGUAGES.values()]
SENTENCES = [sentence for _, sentence in LANGUAGES.values()]
