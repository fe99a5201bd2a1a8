const NAMES: Record<string, string> = { finetuned: "my twin", base: "base model" };

/** A model's name as the web app shows it. */
export const modelName = (name: string) => NAMES[name] ?? name;
