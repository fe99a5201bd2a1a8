export const countWords = (text: string) => text.split(/\s+/).filter(Boolean).length;
