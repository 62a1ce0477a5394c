/* Ranking of search results: pages of the guide before examples, examples before pages of the API. */
var Scorer = {
  score: ([page, title, anchor, description, score, file, kind]) => {
    // terms of the glossary are index entries, as the words of search_words.csv, and come after them
    if (page === "guide/glossary") return score / 3;
    if (kind === "index") return score;
    if (page.startsWith("guide/") || page === "getting_started") return score + 10;
    if (page.startsWith("auto_examples/")) return score / 2;
    if (page.startsWith("api/")) return kind === "object" ? score : score / 2;
    if (page.startsWith("changelog") || page.startsWith("contributing")) return score / 4;
    return score;
  },
  objNameMatch: 30, // the name of a class leads to the class
  objPartialMatch: 3,
  objPrio: { 0: 15, 1: 2, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
