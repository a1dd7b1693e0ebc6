// What the pages do beyond links and forms. Each works without the others, and every page reads well without any.
import "./copy.js";
import "./keys.js";
import "./live.js";
import "./player.js";
import "./typing.js";
